"""GetParametersForImport and GetParametersForExport: RSA pairs behind tokens."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TypeVar

import msgspec
from cryptography.hazmat.primitives.serialization import Encoding

from keyferry.crypto.certificates import CertificateUsage, load_certificate
from keyferry.keys import KeyAlgorithm
from keyferry.service.context import Context
from keyferry.service.control.authority import ServiceAuthority, service_authority
from keyferry.service.control.create_key import generate_pair
from keyferry.service.control.identifiers import new_id
from keyferry.service.control.sealing import encode_private_key
from keyferry.service.control.trust import encode_certificate
from keyferry.service.errors import InvalidRequestError
from keyferry.service.operation import CONTROL
from keyferry.service.store.interface import Transaction
from keyferry.service.store.records import CertificateFamily, Sealed, TokenPurpose, TokenRecord
from keyferry.service.vault.binding import token_binding
from keyferry.service.wire import control_types as t

TOKEN_LIFETIME = timedelta(days=30)
REUSABLE_WITH = timedelta(days=7)  # that much of its life must be left

TR34_KEY_BLOCK = "TR34_KEY_BLOCK"
KEY_CRYPTOGRAM = "KEY_CRYPTOGRAM"
Answer = TypeVar("Answer", bound=msgspec.Struct)

_IMPORTS_WITH_TOKEN = (TR34_KEY_BLOCK, KEY_CRYPTOGRAM)


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A token to give out."""

    token: TokenRecord
    authority: ServiceAuthority
    is_new: bool

    @property
    def certificate(self) -> str:
        """Of the token's key, as the API shows certificates."""
        return encode_certificate(load_certificate(self.token.certificate))

    @property
    def chain(self) -> str:
        """The root that issued it: one certificate, as clients load it with a parser for one."""
        return encode_certificate(self.authority.certificate)


@CONTROL.operation("GetParametersForImport", read_only=True)
async def get_parameters_for_import(
    context: Context, request: t.GetParametersForImportInput
) -> t.GetParametersForImportOutput:
    """Give out a wrapping certificate of ours, and the token that stands for its private key."""
    if request.key_material_type not in _IMPORTS_WITH_TOKEN:
        raise InvalidRequestError(
            f"KeyMaterialType: {request.key_material_type} is imported without a token"
        )
    algorithm = _rsa(request.wrapping_key_algorithm, member="WrappingKeyAlgorithm")
    offer = await _offer(
        context,
        TokenPurpose.IMPORT,
        material_type=request.key_material_type,
        algorithm=algorithm,
        reuse=request.reuse_last_generated_token is True,
    )
    answer = t.GetParametersForImportOutput(
        wrapping_key_certificate=offer.certificate,
        wrapping_key_certificate_chain=offer.chain,
        wrapping_key_algorithm=offer.token.algorithm,
        import_token=offer.token.token,
        parameters_valid_until_timestamp=offer.token.valid_until,
    )
    return await _keep(context, offer, answer)


@CONTROL.operation("GetParametersForExport", read_only=True)
async def get_parameters_for_export(
    context: Context, request: t.GetParametersForExportInput
) -> t.GetParametersForExportOutput:
    """Give out a signing certificate of ours, and the token that stands for its private key."""
    if request.key_material_type != TR34_KEY_BLOCK:
        raise InvalidRequestError(
            f"KeyMaterialType: {request.key_material_type} is exported without a token"
        )
    algorithm = _rsa(request.signing_key_algorithm, member="SigningKeyAlgorithm")
    offer = await _offer(
        context,
        TokenPurpose.EXPORT,
        material_type=request.key_material_type,
        algorithm=algorithm,
        reuse=request.reuse_last_generated_token is True,
    )
    answer = t.GetParametersForExportOutput(
        signing_key_certificate=offer.certificate,
        signing_key_certificate_chain=offer.chain,
        signing_key_algorithm=offer.token.algorithm,
        export_token=offer.token.token,
        parameters_valid_until_timestamp=offer.token.valid_until,
    )
    return await _keep(context, offer, answer)


def find_token(
    context: Context, token: str | None, *, purpose: TokenPurpose, material_type: str
) -> TokenRecord:
    """
    Return the token a request names.

    Raises:
        InvalidRequestError: unknown (those of other accounts are), expired, or made for another
            purpose or another kind of material.
    """
    member = "ImportToken" if purpose is TokenPurpose.IMPORT else "ExportToken"
    record = context.store.token(context.account, token) if token else None
    if record is None or record.purpose is not purpose:
        raise InvalidRequestError(f"{member}: unknown token")
    if record.valid_until <= context.now:
        raise InvalidRequestError(f"{member}: the token has expired")
    if record.material_type != material_type:
        raise InvalidRequestError(
            f"{member}: the token is for {record.material_type}, not for {material_type}"
        )
    return record


def _rsa(name: str, *, member: str) -> KeyAlgorithm:
    algorithm = KeyAlgorithm(name)
    if not algorithm.is_rsa:
        raise InvalidRequestError(f"{member}: {name} is not an RSA algorithm")
    return algorithm


async def _offer(
    context: Context,
    purpose: TokenPurpose,
    *,
    material_type: str,
    algorithm: KeyAlgorithm,
    reuse: bool,
) -> Offer:
    """Return the latest token if it may be reused and lives long enough, else make a new one."""
    authority = await service_authority(context, CertificateFamily.RSA)
    if reuse:
        latest = context.store.latest_token(
            context.account, purpose, material_type, algorithm.value
        )
        if latest is not None and latest.valid_until - context.now >= REUSABLE_WITH:
            return Offer(token=latest, authority=authority, is_new=False)
    private_key = await generate_pair(context, algorithm)
    name = f"{purpose.value}-token-{new_id()}"
    usage = (
        CertificateUsage.KEY_ENCIPHERMENT
        if purpose is TokenPurpose.IMPORT
        else CertificateUsage.DIGITAL_SIGNATURE
    )
    # Certificates count whole seconds, and the token must not outlive its own.
    valid_until = (context.now + TOKEN_LIFETIME).replace(microsecond=0)
    certificate = await context.offload(
        lambda: authority.issue(
            context, private_key, subject=name, usage=usage, not_after=valid_until
        )
    )
    record = TokenRecord(
        account=context.account,
        token=name,
        purpose=purpose,
        material_type=material_type,
        algorithm=algorithm.value,
        certificate=certificate.public_bytes(Encoding.DER),
        sealed=Sealed(b"", b""),
        created_at=context.now,
        valid_until=valid_until,
    )
    sealed = context.vault.seal(
        encode_private_key(private_key), binding=token_binding(context.region, record)
    )
    return Offer(token=replace(record, sealed=sealed), authority=authority, is_new=True)


async def _keep(context: Context, offer: Offer, answer: Answer) -> Answer:
    """Store a new token with the record of the call that made it, then answer."""
    if not offer.is_new:
        return answer

    def change(tx: Transaction) -> Answer:
        tx.insert_token(offer.token)
        return answer

    return await context.write(change)
