"""AWS Payment Cryptography as a party, through its API: sender or receiver."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from keyferry.crypto.certificates import verify_chain
from keyferry.errors import CheckValueMismatchError, ExchangeError, KeyferryError
from keyferry.exchange.authority import pem_base64
from keyferry.exchange.aws import AWSClient
from keyferry.exchange.modes import modes_for
from keyferry.exchange.parties.apc_calls import KeyCalls, Record, received_key
from keyferry.exchange.parties.apc_keys import (
    certificate_algorithm,
    check_existing,
    check_usable,
    in_region,
    read_attributes,
    read_certificate,
    read_chain,
    write_attributes,
)
from keyferry.exchange.parties.apc_proof import APCProofs
from keyferry.exchange.parties.apc_throw_away import ThrowAwayKeys
from keyferry.exchange.parties.interface import (
    KEK,
    Credential,
    Derivation,
    KeyRequest,
    ReceivedKey,
    TransportKey,
    Trust,
)
from keyferry.exchange.result import same_check_value
from keyferry.keys import KeyAlgorithm, KeyAttributes, KeyClass, KeyUsage, ModesOfUse

DELETE_DAYS = 3  # the shortest waiting period the API allows
CLOCK_TOLERANCE = timedelta(minutes=15)


class APCParty:
    """One Region of one account."""

    def __init__(
        self,
        client: AWSClient,
        *,
        label: str = "APC",
        keep_trust: bool = False,
        data_client: Callable[[], AWSClient] | None = None,
        open_region: Callable[[str], APCParty] | None = None,
    ) -> None:
        self.label = label
        self.region = client.region
        self._client = client
        self._keys = KeyCalls(client)
        self._keep_trust = keep_trust
        # Opened only where a key is proven by use: nothing else of an exchange needs it.
        self._data_client = data_client
        # What this run made, in the order it was made: (ARN, what it is).
        self._temporary: list[tuple[str, str]] = []
        self._made: list[tuple[str, str]] = []
        self._throw_aways = ThrowAwayKeys(self._keys)
        self._opened_data: AWSClient | None = None
        # Opened only where a key is replicated.
        self._open_region = open_region
        self._elsewhere: dict[str, APCParty] = {}

    async def connect(self) -> str:
        await self._client.read("list_keys", MaxResults=1)
        return f"AWS Payment Cryptography in {self._client.region}"

    # --- what a sender does ---------------------------------------------------------------------

    async def transport_key(self, request: KeyRequest) -> TransportKey:
        if request.generate:
            assert request.algorithm is not None  # noqa: S101 (a plan never generates without one)
            key = await self._keys.create(
                KeyAttributes(
                    key_usage=request.usage,
                    key_class=KeyClass.SYMMETRIC_KEY,
                    key_algorithm=request.algorithm,
                    modes_of_use=modes_for(request.usage),
                ),
                record=Record(self._made, "the key generated for this exchange"),
                Exportable=True,
            )
        else:
            key = await self._keys.get(request.transport_key)
        attributes = read_attributes(key)
        shown = str(key.get("KeyCheckValue", ""))
        if not request.generate:
            check_existing(key, attributes, request)
        return TransportKey(
            handle=key["KeyArn"],
            usage=attributes.key_usage,
            algorithm=attributes.key_algorithm,
            check_value=shown,
            generated=request.generate,
        )

    async def signing_credential(self, algorithm: KeyAlgorithm) -> Credential:
        answer = await self._client.write(
            "get_parameters_for_export",
            KeyMaterialType="TR34_KEY_BLOCK",
            SigningKeyAlgorithm=algorithm.value,
        )
        return Credential(
            certificate=read_certificate(answer["SigningKeyCertificate"]),
            authorities=read_chain(answer["SigningKeyCertificateChain"]),
            handle=answer["ExportToken"],
        )

    async def export_tr34(
        self, key: TransportKey, *, own: Credential, peer: Credential, trust: Trust, nonce: bytes
    ) -> bytes:
        wrapped = await self._export(
            key,
            Tr34KeyBlock={
                "CertificateAuthorityPublicKeyIdentifier": trust.handle,
                "WrappingKeyCertificate": pem_base64(peer.certificate),
                "ExportToken": own.handle,
                "KeyBlockFormat": "X9_TR34_2012",
                "RandomNonce": nonce.hex().upper(),
            },
        )
        try:
            return bytes.fromhex(wrapped)
        except ValueError:
            raise ExchangeError("ExportKey answered with a token that is not hex") from None

    async def export_tr31(self, key: TransportKey, kek: KEK) -> str:
        return await self._export(key, Tr31KeyBlock={"WrappingKeyIdentifier": kek.handle})

    async def export_ecdh(
        self,
        key: TransportKey,
        *,
        own: Credential,
        peer: Credential,
        trust: Trust,
        derivation: Derivation,
    ) -> str:
        return await self._export(
            key, DiffieHellmanTr31KeyBlock=_agreement(own, peer, trust, derivation)
        )

    async def _export(self, key: TransportKey, **material: Mapping[str, Any]) -> str:
        wrapped = await self._keys.export(key.handle, **material)
        # The service says again which key it wrapped; a difference would be another key.
        shown = str(wrapped.get("KeyCheckValue", ""))
        if shown and not same_check_value(shown, key.check_value):
            raise CheckValueMismatchError(
                f"ExportKey wrapped a key with check value {shown}, not {key.check_value}"
            )
        return str(wrapped["KeyMaterial"])

    # --- what a receiver does -------------------------------------------------------------------

    async def receiving_credential(self, algorithm: KeyAlgorithm) -> Credential:
        answer = await self._client.write(
            "get_parameters_for_import",
            KeyMaterialType="TR34_KEY_BLOCK",
            WrappingKeyAlgorithm=algorithm.value,
        )
        return Credential(
            certificate=read_certificate(answer["WrappingKeyCertificate"]),
            authorities=read_chain(answer["WrappingKeyCertificateChain"]),
            handle=answer["ImportToken"],
        )

    async def import_tr34(
        self, token: bytes, *, own: Credential, peer: Credential, trust: Trust, nonce: bytes
    ) -> ReceivedKey:
        return await self._import(
            Tr34KeyBlock={
                "CertificateAuthorityPublicKeyIdentifier": trust.handle,
                "SigningKeyCertificate": pem_base64(peer.certificate),
                "ImportToken": own.handle,
                "WrappedKeyBlock": token.hex().upper(),
                "KeyBlockFormat": "X9_TR34_2012",
                "RandomNonce": nonce.hex().upper(),
            }
        )

    async def import_tr31(
        self,
        block: str,
        kek: KEK,
        *,
        algorithm: KeyAlgorithm | None = None,  # noqa: ARG002 (the service reads it in the block)
    ) -> ReceivedKey:
        return await self._import(
            Tr31KeyBlock={"WrappingKeyIdentifier": kek.handle, "WrappedKeyBlock": block}
        )

    async def import_ecdh(
        self,
        block: str,
        *,
        own: Credential,
        peer: Credential,
        trust: Trust,
        derivation: Derivation,
    ) -> ReceivedKey:
        return await self._import(
            DiffieHellmanTr31KeyBlock={
                **_agreement(own, peer, trust, derivation),
                "WrappedKeyBlock": block,
            }
        )

    async def _import(self, **material: Mapping[str, Any]) -> ReceivedKey:
        record = Record(self._made, "the imported key")
        return received_key(await self._keys.import_(record, **material))

    async def replicate(self, received: ReceivedKey, region: str) -> ReceivedKey:
        """Have a key replicated to another Region, and return the replica as it is there."""
        await self._keys.replicate(received.identifier, region)
        arn = in_region(received.identifier, region)
        return received_key(await self.party_in(region)._keys.get(arn))

    def party_in(self, region: str) -> APCParty:
        """The same account in another Region, cleaned up and closed with this party."""
        if region not in self._elsewhere:
            if self._open_region is None:
                raise ExchangeError(f"no way to Region {region} is configured")
            self._elsewhere[region] = self._open_region(region)
        return self._elsewhere[region]

    # --- what both do ---------------------------------------------------------------------------

    async def agreement_credential(self, algorithm: KeyAlgorithm) -> Credential:
        key = await self._keys.create(
            KeyAttributes(
                key_usage=KeyUsage.TR31_K3_ASYMMETRIC_KEY_FOR_KEY_AGREEMENT,
                key_class=KeyClass.ASYMMETRIC_KEY_PAIR,
                key_algorithm=algorithm,
                modes_of_use=ModesOfUse(derive_key=True),
            ),
            record=Record(self._temporary, "the key pair of this agreement"),
            Exportable=False,
            DeriveKeyUsage=KeyUsage.TR31_K1_KEY_BLOCK_PROTECTION_KEY.value,
        )
        arn = key["KeyArn"]
        answer = await self._client.read("get_public_key_certificate", KeyIdentifier=arn)
        return Credential(
            certificate=read_certificate(answer["KeyCertificate"]),
            authorities=read_chain(answer["KeyCertificateChain"]),
            handle=arn,
        )

    async def trust(self, credential: Credential) -> Trust:
        *_, root = credential.authorities
        verify_chain(
            credential.certificate,
            credential.authorities[:-1],
            root,
            now=datetime.now(UTC),
            tolerance=CLOCK_TOLERANCE,
        )
        handle = ""
        for certificate in reversed(credential.authorities):
            member = {
                "KeyAttributes": write_attributes(
                    KeyAttributes(
                        key_usage=KeyUsage.TR31_S0_ASYMMETRIC_KEY_FOR_DIGITAL_SIGNATURE,
                        key_class=KeyClass.PUBLIC_KEY,
                        key_algorithm=certificate_algorithm(certificate),
                        modes_of_use=ModesOfUse(verify=True),
                    )
                ),
                "PublicKeyCertificate": pem_base64(certificate),
            }
            if handle:
                member["CertificateAuthorityPublicKeyIdentifier"] = handle
                material = {"TrustedCertificatePublicKey": member}
            else:
                material = {"RootCertificatePublicKey": member}
            record = Record(self._temporary, "the CA public key of this exchange")
            answer = await self._client.write("import_key", made=record, KeyMaterial=material)
            handle = answer["Key"]["KeyArn"]
        return Trust(handle=handle)

    async def kek(
        self,
        identifier: str,
        *,
        peer: KEK | None = None,  # noqa: ARG002 (the service knows its own)
    ) -> KEK:
        key = await self._keys.get(identifier)
        attributes = read_attributes(key)
        if attributes.key_usage.code not in ("K0", "K1"):
            raise ExchangeError(
                f"{identifier} is of usage {attributes.key_usage}, which does not wrap keys",
                hint="name a K0 or K1 key",
            )
        check_usable(key)
        return KEK(
            handle=key["KeyArn"],
            algorithm=attributes.key_algorithm,
            check_value=str(key.get("KeyCheckValue", "")),
            aes=attributes.key_algorithm.is_aes,
        )

    # --- proof by use ---------------------------------------------------------------------------

    @property
    def proofs(self) -> APCProofs:
        """What the data plane computes and verifies under keys of this Region."""
        return APCProofs(
            self._data,
            throw_aways=self._throw_aways,
        )

    def _data(self) -> AWSClient:
        """Open the data plane when it is first needed."""
        if self._opened_data is None:
            if self._data_client is None:
                raise ExchangeError(
                    "the data plane is not configured, so nothing can be proven by use"
                )
            self._opened_data = self._data_client()
        return self._opened_data

    def throw_away(self, identifier: str) -> None:
        """Have a key that this run made deleted when the run ends, however it ends."""
        self._throw_aways.take(identifier, self._made)

    async def clean_up(self, *, failed: bool) -> list[str]:
        doomed = [*([] if self._keep_trust else self._temporary), *self._throw_aways.made]
        if failed:
            doomed += self._made
        said = []
        for party in self._elsewhere.values():
            said += await party.clean_up(failed=failed)
        for arn, what in reversed(doomed):
            try:
                await self._client.write(
                    "delete_key", KeyIdentifier=arn, DeleteKeyInDays=DELETE_DAYS
                )
            except KeyferryError as error:
                said.append(f"{arn} ({what}) could not be deleted: {error}")
            else:
                said.append(f"{arn} ({what}) is scheduled for deletion in {DELETE_DAYS} days")
        if self._keep_trust:
            said += [f"{arn} ({what}) was kept" for arn, what in self._temporary]
        self._temporary.clear()
        self._throw_aways.made.clear()
        self._made.clear()
        return said

    async def close(self) -> None:
        for party in self._elsewhere.values():
            await party.close()
        self._client.close()
        if self._opened_data is not None:
            self._opened_data.close()


def _agreement(
    own: Credential, peer: Credential, trust: Trust, derivation: Derivation
) -> dict[str, Any]:
    return {
        "PrivateKeyIdentifier": own.handle,
        "CertificateAuthorityPublicKeyIdentifier": trust.handle,
        "PublicKeyCertificate": pem_base64(peer.certificate),
        "DeriveKeyAlgorithm": derivation.algorithm.value,
        "KeyDerivationFunction": derivation.function.value,
        "KeyDerivationHashAlgorithm": derivation.hash_name.replace("SHA", "SHA_"),
        "DerivationData": {"SharedInformation": derivation.shared_info.hex().upper()},
    }
