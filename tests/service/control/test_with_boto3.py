"""The operations as boto3 sees them: typed errors, paginators, whole exchanges."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import botocore.exceptions
import pytest

from keyferry.service.operation import CONTROL
from keyferry.service.wire import control_types

REGISTERED = {
    "CreateKey",
    "GetKey",
    "ListKeys",
    "DeleteKey",
    "RestoreKey",
    "StartKeyUsage",
    "StopKeyUsage",
    "CreateAlias",
    "GetAlias",
    "UpdateAlias",
    "DeleteAlias",
    "ListAliases",
    "TagResource",
    "UntagResource",
    "ListTagsForResource",
    "GetParametersForImport",
    "GetParametersForExport",
    "ImportKey",
    "ExportKey",
    "GetPublicKeyCertificate",
    "GetCertificateSigningRequest",
    "AddKeyReplicationRegions",
    "RemoveKeyReplicationRegions",
    "EnableDefaultKeyReplicationRegions",
    "DisableDefaultKeyReplicationRegions",
    "GetDefaultKeyReplicationRegions",
}


def created(client: Any, tools: Any, code: str, algorithm: str, letter: str, **more: Any) -> Any:
    key_class = more.pop("key_class", "SYMMETRIC_KEY")
    return client.create_key(
        KeyAttributes=tools.attributes(code, algorithm, letter, key_class), Exportable=True, **more
    )["Key"]


def refused(call: Any, **members: Any) -> dict[str, Any]:
    with pytest.raises(botocore.exceptions.ClientError) as refusal:
        call(**members)
    response: dict[str, Any] = refusal.value.response
    return response


def test_what_is_built_is_registered_and_nothing_else() -> None:
    """An operation without an implementation is not in the register."""
    assert CONTROL.names() == REGISTERED
    assert set(control_types.OPERATIONS) > REGISTERED


def test_a_key_lives_and_dies(payment_cryptography: Any, tools: Any) -> None:
    """Create, alias, tag, stop, start, delete, restore, with datetimes where the API has them."""
    client = payment_cryptography
    key = created(client, tools, "P0", "TDES_2KEY", "B", Tags=[{"Key": "a", "Value": "1"}])
    assert isinstance(key["CreateTimestamp"], datetime)
    arn = key["KeyArn"]
    client.create_alias(AliasName="alias/boto-life", KeyArn=arn)
    assert client.get_key(KeyIdentifier="alias/boto-life")["Key"] == key
    client.tag_resource(ResourceArn=arn, Tags=[{"Key": "b", "Value": "2"}])
    tags = client.list_tags_for_resource(ResourceArn=arn)["Tags"]
    assert tags == [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}]
    assert client.stop_key_usage(KeyIdentifier=arn)["Key"]["Enabled"] is False
    assert client.start_key_usage(KeyIdentifier=arn)["Key"]["Enabled"] is True
    deleted = client.delete_key(KeyIdentifier=arn, DeleteKeyInDays=3)["Key"]
    assert isinstance(deleted["DeletePendingTimestamp"], datetime)
    assert client.restore_key(KeyIdentifier=arn)["Key"]["KeyState"] == "CREATE_COMPLETE"
    client.update_alias(AliasName="alias/boto-life")
    assert "KeyArn" not in client.get_alias(AliasName="alias/boto-life")["Alias"]
    client.delete_alias(AliasName="alias/boto-life")


def test_refusals_are_typed(payment_cryptography: Any, tools: Any) -> None:
    """Every published client branches on these exceptions and texts."""
    client = payment_cryptography
    with pytest.raises(client.exceptions.ResourceNotFoundException) as not_found:
        client.get_alias(AliasName="alias/boto-none")
    assert not_found.value.response["ResourceId"] == "alias/boto-none"
    client.create_alias(AliasName="alias/boto-taken")
    with pytest.raises(client.exceptions.ConflictException):
        client.create_alias(AliasName="alias/boto-taken")
    foreign = "arn:aws:payment-cryptography:us-east-1:444455556666:key/aaaaaaaaaaaaaaaa"
    with pytest.raises(client.exceptions.AccessDeniedException):
        client.get_key(KeyIdentifier=foreign)
    arn = created(client, tools, "P0", "TDES_2KEY", "B")["KeyArn"]
    client.delete_key(KeyIdentifier=arn)
    with pytest.raises(client.exceptions.ValidationException, match="not in CREATE_COMPLETE state"):
        client.delete_key(KeyIdentifier=arn)
    error = refused(
        client.create_key,
        KeyAttributes=tools.attributes("P0", "RSA_2048", "B"),
        Exportable=True,
    )
    assert error["Error"]["Code"] == "ValidationException"
    assert "KeyAlgorithm" in error["Error"]["Message"]


def test_what_does_not_open_has_one_text(payment_cryptography: Any, tools: Any) -> None:
    """A wrong MAC, a wrong length and a wrong version read alike."""
    client = payment_cryptography
    kek = created(client, tools, "K1", "AES_256", "B")["KeyArn"]
    blocks = [
        "D0112P0TB00E0000" + "0" * 96,
        "D0113P0TB00E0000" + "0" * 96,
        "E0112P0TB00E0000" + "0" * 96,
        "D0112P0TB00E0100" + "0" * 96,
    ]
    texts = {
        refused(
            client.import_key,
            KeyMaterial={"Tr31KeyBlock": {"WrappingKeyIdentifier": kek, "WrappedKeyBlock": block}},
        )["Error"]["Message"]
        for block in blocks
    }
    assert len(texts) == 1
    assert "000000" not in texts.pop()


def test_paginators_walk_all_keys_and_aliases(payment_cryptography: Any, tools: Any) -> None:
    """boto3's own paginators see every key once."""
    client = payment_cryptography
    arns = {created(client, tools, "P0", "AES_128", "B")["KeyArn"] for _ in range(5)}
    pages = client.get_paginator("list_keys").paginate(PaginationConfig={"PageSize": 2})
    listed = [key["KeyArn"] for page in pages for key in page["Keys"]]
    assert len(listed) == len(set(listed))
    assert arns <= set(listed)
    error = refused(client.list_keys, NextToken="x.y")
    assert error["Error"]["Code"] == "ValidationException"


@pytest.mark.parametrize("nonce", [None, "ABCDABCDABCDABCD"])
def test_region_to_region_by_tr34_then_tr31(
    running_service: Any, tools: Any, nonce: str | None
) -> None:
    """A KEK by TR-34, then a key under it by TR-31; the same check values on both sides."""
    east, west = running_service.client("us-east-1"), running_service.client("us-west-2")

    def trust(client: Any, chain: str) -> str:
        answer = client.import_key(
            KeyMaterial={
                "RootCertificatePublicKey": {
                    "KeyAttributes": tools.attributes("S0", "RSA_4096", "V", "PUBLIC_KEY"),
                    "PublicKeyCertificate": chain,
                }
            },
            KeyCheckValueAlgorithm="ANSI_X9_24",
            Tags=[],
        )
        arn: str = answer["Key"]["KeyArn"]
        return arn

    kek = created(east, tools, "K1", "TDES_3KEY", "B")
    pin = created(east, tools, "P0", "TDES_2KEY", "B")
    into = west.get_parameters_for_import(
        KeyMaterialType="TR34_KEY_BLOCK", WrappingKeyAlgorithm="RSA_2048"
    )
    out = east.get_parameters_for_export(
        KeyMaterialType="TR34_KEY_BLOCK", SigningKeyAlgorithm="RSA_2048"
    )
    shared = {"KeyBlockFormat": "X9_TR34_2012"} | ({"RandomNonce": nonce} if nonce else {})
    wrapped = east.export_key(
        ExportKeyIdentifier=kek["KeyArn"],
        KeyMaterial={
            "Tr34KeyBlock": {
                "CertificateAuthorityPublicKeyIdentifier": trust(
                    east, into["WrappingKeyCertificateChain"]
                ),
                "WrappingKeyCertificate": into["WrappingKeyCertificate"],
                "ExportToken": out["ExportToken"],
            }
            | shared
        },
    )["WrappedKey"]
    arrived = west.import_key(
        KeyMaterial={
            "Tr34KeyBlock": {
                "CertificateAuthorityPublicKeyIdentifier": trust(
                    west, out["SigningKeyCertificateChain"]
                ),
                "SigningKeyCertificate": out["SigningKeyCertificate"],
                "ImportToken": into["ImportToken"],
                "WrappedKeyBlock": wrapped["KeyMaterial"],
            }
            | shared
        }
    )["Key"]
    assert arrived["KeyCheckValue"] == wrapped["KeyCheckValue"] == kek["KeyCheckValue"]
    block = east.export_key(
        ExportKeyIdentifier=pin["KeyArn"],
        KeyMaterial={"Tr31KeyBlock": {"WrappingKeyIdentifier": kek["KeyArn"]}},
    )["WrappedKey"]
    moved = west.import_key(
        KeyMaterial={
            "Tr31KeyBlock": {
                "WrappingKeyIdentifier": arrived["KeyArn"],
                "WrappedKeyBlock": block["KeyMaterial"],
            }
        }
    )["Key"]
    assert moved["KeyCheckValue"] == pin["KeyCheckValue"]
    assert moved["KeyAttributes"] == pin["KeyAttributes"]


def test_region_to_region_by_ecdh(running_service: Any, tools: Any) -> None:
    """Pairs in both Regions, roots of P-521 both ways, an AES_256 key under an agreed one."""
    clients = {name: running_service.client(name) for name in ("us-east-1", "us-west-2")}
    pairs: dict[str, str] = {}
    certificates: dict[str, Any] = {}
    for name, client in clients.items():
        pair = created(
            client,
            tools,
            "K3",
            "ECC_NIST_P521",
            "X",
            key_class="ASYMMETRIC_KEY_PAIR",
            DeriveKeyUsage="TR31_K1_KEY_BLOCK_PROTECTION_KEY",
        )
        pairs[name] = pair["KeyArn"]
        certificates[name] = client.get_public_key_certificate(KeyIdentifier=pair["KeyArn"])

    def asked(here: str, there: str) -> dict[str, Any]:
        root = clients[here].import_key(
            KeyMaterial={
                "RootCertificatePublicKey": {
                    "KeyAttributes": tools.attributes("S0", "ECC_NIST_P521", "V", "PUBLIC_KEY"),
                    "PublicKeyCertificate": certificates[there]["KeyCertificateChain"],
                }
            }
        )
        return {
            "PrivateKeyIdentifier": pairs[here],
            "CertificateAuthorityPublicKeyIdentifier": root["Key"]["KeyArn"],
            "PublicKeyCertificate": certificates[there]["KeyCertificate"],
            "DeriveKeyAlgorithm": "AES_256",
            "KeyDerivationFunction": "NIST_SP800",
            "KeyDerivationHashAlgorithm": "SHA_256",
            "DerivationData": {"SharedInformation": "A1B2C3"},
        }

    key = created(clients["us-east-1"], tools, "P0", "AES_256", "B")
    wrapped = clients["us-east-1"].export_key(
        ExportKeyIdentifier=key["KeyArn"],
        KeyMaterial={"DiffieHellmanTr31KeyBlock": asked("us-east-1", "us-west-2")},
    )["WrappedKey"]
    arrived = clients["us-west-2"].import_key(
        KeyMaterial={
            "DiffieHellmanTr31KeyBlock": asked("us-west-2", "us-east-1")
            | {"WrappedKeyBlock": wrapped["KeyMaterial"]}
        }
    )["Key"]
    assert arrived["KeyCheckValue"] == key["KeyCheckValue"]


def test_operations_that_are_not_built_say_so(payment_cryptography: Any, tools: Any) -> None:
    """Never a made-up success."""
    client = payment_cryptography
    arn = created(client, tools, "P0", "AES_128", "B")["KeyArn"]
    answer = refused(client.get_resource_policy, ResourceArn=arn)
    assert answer["Error"]["Code"] == "UnknownOperationException"


def test_the_trail_holds_each_call_once_without_material(
    running_service: Any, payment_cryptography: Any, tools: Any
) -> None:
    """An export is recorded as a write, its material redacted; parameters as a read."""
    client = payment_cryptography
    kek = created(client, tools, "K1", "AES_128", "B")["KeyArn"]
    key = created(client, tools, "P0", "AES_128", "B")["KeyArn"]
    wrapped = client.export_key(
        ExportKeyIdentifier=key,
        KeyMaterial={"Tr31KeyBlock": {"WrappingKeyIdentifier": kek}},
    )
    offer = client.get_parameters_for_import(
        KeyMaterialType="KEY_CRYPTOGRAM", WrappingKeyAlgorithm="RSA_2048"
    )
    store = running_service.application.dispatcher._regions["us-east-1"].store
    bodies = [event.body for _, event in store.audit_events(tools.account, limit=10_000)]
    assert not any(wrapped["WrappedKey"]["KeyMaterial"].encode() in body for body in bodies)
    events = [json.loads(body) for body in bodies]
    for answer, name, read_only in (
        (wrapped, "ExportKey", False),
        (offer, "GetParametersForImport", True),
    ):
        request_id = answer["ResponseMetadata"]["RequestId"]
        (event,) = [event for event in events if event.get("requestID") == request_id]
        assert (event["eventName"], event["readOnly"]) == (name, read_only)
