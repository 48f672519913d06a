"""
The tree of causes: every error keyferry raises on purpose.

A class names a cause, its message says what was wrong and where, `hint` says what to try next.
Nothing here knows HTTP statuses, HSM reply codes or exit codes: each edge has one table for that.
Messages never hold key material, PINs or ciphertext.
"""

from __future__ import annotations


class KeyferryError(Exception):
    """Base of every error we raise on purpose. `hint` says what to try next."""

    hint: str | None = None

    def __init__(self, message: str = "", *, hint: str | None = None) -> None:
        super().__init__(message or (self.__doc__ or "").strip().splitlines()[0].rstrip("."))
        if hint is not None:
            self.hint = hint


# --- what the user gave us ---------------------------------------------------------------------


class ConfigurationError(KeyferryError):
    """What was configured cannot work; the configuration alone shows it."""


class MalformedVectorError(KeyferryError):
    """A known-answer file does not have the layout of a vector file."""


# --- keys and ciphers --------------------------------------------------------------------------


class KeySizeError(KeyferryError):
    """A key has a length its algorithm does not know."""


class DataSizeError(KeyferryError):
    """Data has a length its operation does not take."""


class UnsupportedAlgorithmError(KeyferryError):
    """The combination of algorithm and method does not exist."""


class KeyParityError(KeyferryError):
    """A TDES key does not have odd parity where the protocol demands it."""


# --- key blocks --------------------------------------------------------------------------------


class KeyBlockError(KeyferryError):
    """Base of what can be wrong with a key block."""


class MalformedKeyBlockError(KeyBlockError):
    """The text is not a key block of a version we read."""

    def __init__(self, field: str, *, offset: int, expected: str) -> None:
        super().__init__(f"key block {field} at offset {offset}: expected {expected}")
        self.field = field
        self.offset = offset


class UnsupportedKeyBlockError(KeyBlockError):
    """The text looks like a key block, but of a version or strength that is refused."""


class KeyBlockAuthenticationError(KeyBlockError):
    """The MAC does not verify: another KBPK, or a changed block. Indistinguishable on purpose."""

    hint = "compare the KCV of the KBPK with the sender's"

    def __init__(self) -> None:
        super().__init__("key block authentication failed")


# --- TR-34 tokens ------------------------------------------------------------------------------


class TokenError(KeyferryError):
    """Base of what can be wrong with a TR-34 token."""


class MalformedTokenError(TokenError):
    """The bytes are not strict DER of a token layout we read."""

    def __init__(self, field: str, *, offset: int, expected: str) -> None:
        super().__init__(f"TR-34 {field} at offset {offset}: expected {expected}")
        self.field = field
        self.offset = offset


class TokenSignatureError(TokenError):
    """The signature, the signer or the signed digest does not verify."""


class TokenNonceError(TokenError):
    """The random nonce is missing, unexpected or not the one that was agreed."""


class TokenRecipientError(TokenError):
    """The token is addressed to another key receiving device."""


class TokenDecryptionError(TokenError):
    """The envelope does not open. Which step failed is not told, on purpose."""

    hint = "compare the KRD certificate the sender used with ours"

    def __init__(self) -> None:
        super().__init__("TR-34 envelope does not open")


class TokenBindingError(TokenError):
    """The key block inside the envelope does not belong to the signed attributes or the sender."""


# --- certificates, key agreement, RSA ----------------------------------------------------------


class CertificateError(KeyferryError):
    """Base of what can be wrong with a certificate, a request or a chain."""


class MalformedCertificateError(CertificateError):
    """The text is not one X.509 certificate."""


class CertificateChainError(CertificateError):
    """A certificate was not issued by the authority it is checked against."""


class CertificateValidityError(CertificateError):
    """A certificate is expired or not yet valid."""


class CertificateStrengthError(CertificateError):
    """A certificate's key is weaker, or of another family, than the rule demands."""


class CertificateUsageError(CertificateError):
    """A certificate's keyUsage does not allow what its key is to do."""


class CertificateKeyError(CertificateError):
    """A certificate does not belong to the private key it is used with."""

    hint = "give the certificate that was issued for this key pair"


class KeyAgreementError(KeyferryError):
    """A key agreement input is not a point of the expected curve."""


class RSADecryptionError(KeyferryError):
    """An RSA cryptogram does not open. Which step failed is not told, on purpose."""


# --- payment data: PANs, PINs, card values, MACs -----------------------------------------------


class PaymentDataError(KeyferryError):
    """A PAN, a PIN or another input of a payment algorithm does not have its form."""

    def __init__(self, field: str, *, expected: str) -> None:
        # The value stays out of the message: it may be a PAN or a PIN.
        super().__init__(f"{field}: expected {expected}")
        self.field = field


class PINBlockError(KeyferryError):
    """A PIN block does not open. Which check failed is not told, on purpose."""

    hint = "compare the PIN key, the block format and the PAN with the sender's"

    def __init__(self) -> None:
        super().__init__("PIN block is not valid")


class VerificationError(KeyferryError):
    """Base of the refusals of a verification: the input is well formed, and it is not the one."""


class CardDataVerificationError(VerificationError):
    """The card verification value is not the one of this card."""


class PINVerificationError(VerificationError):
    """The PIN is not the one of this card."""


class MACVerificationError(VerificationError):
    """The MAC is not the one of this message."""


class CryptogramVerificationError(VerificationError):
    """The application cryptogram is not the one of this transaction."""


# --- what a payment key is ---------------------------------------------------------------------


class KeyAttributesError(KeyferryError):
    """A combination of usage, class, algorithm and modes of use does not exist."""


class KeyStrengthError(KeyferryError):
    """A key would travel under a weaker one."""


class KeyMaterialError(KeyferryError):
    """Key bytes do not make a key of the stated algorithm."""


# --- the service -------------------------------------------------------------------------------


class StoreError(KeyferryError):
    """The store cannot be used."""


class StoreVersionError(StoreError):
    """The store was written by a newer keyferry."""


class StoreIntegrityError(StoreError):
    """A row was changed behind our back: its seal does not open, its row MAC does not verify."""


class MasterKeyError(KeyferryError):
    """The master key is missing, unreadable, or does not open this store."""


# --- replication between Regions ---------------------------------------------------------------


class ReplicationError(KeyferryError):
    """Base of what can go wrong between two Regions of the service."""


class PeerUnreachableError(ReplicationError):
    """Another Region does not answer; whether it applied what it was sent is unknown."""


class PeerProtocolError(ReplicationError):
    """Another Region sent what is not a message of the replication protocol."""


class CircuitOpenError(PeerUnreachableError):
    """Another Region did not answer lately, and it is not time to ask again."""

    def __init__(self, peer: str, *, retry_after_s: float, last: KeyferryError | None) -> None:
        super().__init__(f"{peer} did not answer; it is asked again in {retry_after_s:.1f} s")
        self.retry_after_s = retry_after_s
        self.last = last  # what went wrong when it was asked


class PeerRefusedError(ReplicationError):
    """Another Region understood a message and refused it."""

    def __init__(self, message: str, *, code: str, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.code = code  # the exception the peer answered with


class UnknownReplicationKEKError(ReplicationError):
    """Another Region does not have the KEK a message names."""


# --- HSMs --------------------------------------------------------------------------------------


class HSMError(KeyferryError):
    """Base of what can go wrong between us and an HSM."""


class HSMConnectionError(HSMError):
    """The HSM cannot be reached, or the connection broke."""


class HSMTimeoutError(HSMError):
    """The HSM did not answer in time; whether it acted is unknown."""


class ApprovalTimeoutError(HSMTimeoutError):
    """The people who have to approve a step at the HSM did not do so in time."""


class HSMFrameError(HSMError):
    """Bytes that are not a frame or a message of the HSM's protocol."""

    def __init__(
        self, message: str, *, field: str | None = None, offset: int | None = None
    ) -> None:
        super().__init__(message)
        self.field = field
        self.offset = offset


class HSMValueError(HSMFrameError):
    """A field has the right shape and a value its command does not know."""

    def __init__(self, message: str, *, field: str, offset: int, reply: str) -> None:
        super().__init__(message, field=field, offset=offset)
        self.reply = reply  # the error code the HSM's manual gives for such a value


class HSMRefusedError(HSMError):
    """The HSM answered with an error code."""

    def __init__(self, command: str, code: str, meaning: str, *, hint: str | None = None) -> None:
        super().__init__(f"{command} refused with error {code}: {meaning}", hint=hint)
        self.command = command
        self.code = code
        self.meaning = meaning


# --- exchanges ---------------------------------------------------------------------------------


class ExchangeError(KeyferryError):
    """A key exchange was refused or failed."""


class RemoteRefusedError(ExchangeError):
    """An AWS endpoint refused a call."""

    def __init__(self, operation: str, code: str, message: str, *, hint: str | None = None) -> None:
        super().__init__(f"{operation} refused with {code}: {message}", hint=hint)
        self.operation = operation
        self.code = code


class EndpointUnreachableError(ExchangeError):
    """An AWS endpoint cannot be reached; nothing was sent."""


class UnknownOutcomeError(ExchangeError):
    """An AWS endpoint did not answer in its own words; whether it acted is unknown."""


class ProofError(ExchangeError):
    """What one side computed under a key does not verify under the other's."""


class DeviceCapabilityError(ExchangeError):
    """A device says that it cannot do its part of an exchange; nothing was changed."""


class CheckValueMismatchError(ExchangeError):
    """Two check values that must be the same key's differ."""
