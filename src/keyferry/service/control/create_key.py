"""CreateKey: new symmetric keys and key pairs."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from keyferry.keys import (
    KeyAlgorithm,
    KeyClass,
    KeyUsage,
    check_attributes,
    check_value_method,
    generate_material,
)
from keyferry.service.context import Context
from keyferry.service.control.answers import attributes_of
from keyferry.service.control.new_keys import (
    NewKey,
    check_quota,
    exportability_of,
    insert_key,
    make_record,
)
from keyferry.service.control.replication_regions import check_choice
from keyferry.service.control.rsa_spares import SPARES
from keyferry.service.control.sealing import PrivateKey, encode_private_key
from keyferry.service.control.tags import check_tags
from keyferry.service.errors import InvalidRequestError
from keyferry.service.operation import CONTROL
from keyferry.service.store.interface import Transaction
from keyferry.service.store.records import KeyOrigin
from keyferry.service.wire import control_types as t

_CURVES: dict[str, type[ec.EllipticCurve]] = {
    "P256": ec.SECP256R1,
    "P384": ec.SECP384R1,
    "P521": ec.SECP521R1,
}


@CONTROL.operation("CreateKey")
async def create_key(context: Context, request: t.CreateKeyInput) -> t.CreateKeyOutput:
    """Make a key of the requested attributes; its material never leaves unwrapped."""
    attributes = attributes_of(request.key_attributes)
    if attributes.key_class not in (KeyClass.SYMMETRIC_KEY, KeyClass.ASYMMETRIC_KEY_PAIR):
        raise InvalidRequestError(
            f"KeyClass: {attributes.key_class} keys are imported, not created"
        )
    check_attributes(attributes)
    check_value_method(attributes.key_algorithm, request.key_check_value_algorithm)
    derive_key_usage = None
    if request.derive_key_usage is not None:
        if attributes.key_usage is not KeyUsage.TR31_K3_ASYMMETRIC_KEY_FOR_KEY_AGREEMENT:
            raise InvalidRequestError(
                "DeriveKeyUsage: only key agreement pairs"
                f" ({KeyUsage.TR31_K3_ASYMMETRIC_KEY_FOR_KEY_AGREEMENT}) derive keys"
            )
        derive_key_usage = KeyUsage(request.derive_key_usage)
    tags = check_tags(request.tags)
    exportability = exportability_of(request.exportable)
    regions = check_choice(context, request.replication_regions, attributes, exportability)
    # Checked again inside the change; here it keeps a full account from costing an RSA key.
    check_quota(context, context.store)

    algorithm = attributes.key_algorithm
    public_key = None
    if algorithm.is_symmetric:
        material = generate_material(algorithm)
    else:
        private_key = await generate_pair(context, algorithm)
        material = encode_private_key(private_key)
        public_key = private_key.public_key().public_bytes(
            Encoding.DER, PublicFormat.SubjectPublicKeyInfo
        )
    record = make_record(
        context,
        NewKey(
            attributes=attributes,
            exportability=exportability,
            origin=KeyOrigin.AWS_PAYMENT_CRYPTOGRAPHY,
            material=material,
            public_key=public_key,
            derive_key_usage=derive_key_usage,
        ),
        enabled=request.enabled,
        check_value_method=request.key_check_value_algorithm,
    )

    def change(tx: Transaction) -> t.CreateKeyOutput:
        return t.CreateKeyOutput(key=insert_key(context, tx, record, tags=tags, regions=regions))

    return await context.write(change, about=((record.account, record.key_id),))


async def generate_pair(context: Context, algorithm: KeyAlgorithm) -> PrivateKey:
    """
    Make an RSA pair (off the event loop, or taken from the spares) or an EC pair (in place: a
    fraction of a millisecond).
    """
    if algorithm.curve_name is not None:
        return ec.generate_private_key(_CURVES[algorithm.curve_name]())
    return await SPARES.take(algorithm.modulus_bits, offload=context.offload)
