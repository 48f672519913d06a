// Drives a key's whole life through the AWS SDK for JavaScript, with only the endpoint changed.
// Prints one JSON document with what the service answered; the test compares it.
import { X509Certificate, constants, publicEncrypt } from "node:crypto";
import {
  CreateAliasCommand,
  CreateKeyCommand,
  DeleteAliasCommand,
  DeleteKeyCommand,
  ExportKeyCommand,
  GetAliasCommand,
  GetKeyCommand,
  GetParametersForImportCommand,
  ImportKeyCommand,
  ListKeysCommand,
  ListTagsForResourceCommand,
  PaymentCryptographyClient,
  ResourceNotFoundException,
  RestoreKeyCommand,
  StartKeyUsageCommand,
  TagResourceCommand,
  UntagResourceCommand,
  UpdateAliasCommand,
  ValidationException,
} from "@aws-sdk/client-payment-cryptography";

const client = new PaymentCryptographyClient({
  endpoint: process.env.KEYFERRY_URL,
  region: process.env.AWS_REGION,
});
const send = (command) => client.send(command);

const kekAttributes = {
  KeyUsage: "TR31_K1_KEY_BLOCK_PROTECTION_KEY",
  KeyClass: "SYMMETRIC_KEY",
  KeyAlgorithm: "AES_128",
  KeyModesOfUse: { Encrypt: true, Decrypt: true, Wrap: true, Unwrap: true },
};
const { Key: kek } = await send(
  new CreateKeyCommand({ KeyAttributes: kekAttributes, Exportable: true }),
);

// RSA-wrapped import of a key whose check value is known beforehand.
const parameters = await send(
  new GetParametersForImportCommand({
    KeyMaterialType: "KEY_CRYPTOGRAM",
    WrappingKeyAlgorithm: "RSA_2048",
  }),
);
const pem = Buffer.from(parameters.WrappingKeyCertificate, "base64").toString();
const cryptogram = publicEncrypt(
  {
    key: new X509Certificate(pem).publicKey,
    padding: constants.RSA_PKCS1_OAEP_PADDING,
    oaepHash: "sha256",
  },
  Buffer.from("0123456789ABCDEFFEDCBA9876543210", "hex"),
);
const { Key: imported } = await send(
  new ImportKeyCommand({
    KeyMaterial: {
      KeyCryptogram: {
        KeyAttributes: {
          KeyUsage: "TR31_P0_PIN_ENCRYPTION_KEY",
          KeyClass: "SYMMETRIC_KEY",
          KeyAlgorithm: "TDES_2KEY",
          KeyModesOfUse: { Encrypt: true, Decrypt: true, Wrap: true, Unwrap: true },
        },
        Exportable: true,
        WrappedKeyCryptogram: cryptogram.toString("hex").toUpperCase(),
        ImportToken: parameters.ImportToken,
        WrappingSpec: "RSA_OAEP_SHA_256",
      },
    },
  }),
);

const { WrappedKey: wrapped } = await send(
  new ExportKeyCommand({
    ExportKeyIdentifier: imported.KeyArn,
    KeyMaterial: { Tr31KeyBlock: { WrappingKeyIdentifier: kek.KeyArn } },
  }),
);
const { Key: reimported } = await send(
  new ImportKeyCommand({
    KeyMaterial: {
      Tr31KeyBlock: {
        WrappingKeyIdentifier: kek.KeyArn,
        WrappedKeyBlock: wrapped.KeyMaterial,
      },
    },
  }),
);

await send(new CreateAliasCommand({ AliasName: "alias/js-sdk", KeyArn: imported.KeyArn }));
await send(new UpdateAliasCommand({ AliasName: "alias/js-sdk", KeyArn: reimported.KeyArn }));
const { Alias: alias } = await send(new GetAliasCommand({ AliasName: "alias/js-sdk" }));
const { Key: byAlias } = await send(new GetKeyCommand({ KeyIdentifier: "alias/js-sdk" }));

await send(
  new TagResourceCommand({
    ResourceArn: kek.KeyArn,
    Tags: [
      { Key: "owner", Value: "payments" },
      { Key: "stage", Value: "test" },
    ],
  }),
);
await send(new UntagResourceCommand({ ResourceArn: kek.KeyArn, TagKeys: ["stage"] }));
const { Tags: tags } = await send(new ListTagsForResourceCommand({ ResourceArn: kek.KeyArn }));

await send(new DeleteAliasCommand({ AliasName: "alias/js-sdk" }));
let missingAlias = "no error";
try {
  await send(new GetAliasCommand({ AliasName: "alias/js-sdk" }));
} catch (error) {
  missingAlias = error instanceof ResourceNotFoundException ? error.name : String(error);
}

const { Key: pending } = await send(
  new DeleteKeyCommand({ KeyIdentifier: kek.KeyArn, DeleteKeyInDays: 3 }),
);
let secondDelete = "no error";
try {
  await send(new DeleteKeyCommand({ KeyIdentifier: kek.KeyArn, DeleteKeyInDays: 3 }));
} catch (error) {
  secondDelete = error instanceof ValidationException ? error.message : String(error);
}
const { Key: restored } = await send(new RestoreKeyCommand({ KeyIdentifier: kek.KeyArn }));
const { Key: started } = await send(new StartKeyUsageCommand({ KeyIdentifier: kek.KeyArn }));
const { Keys: keys } = await send(new ListKeysCommand({ MaxResults: 100 }));

process.stdout.write(
  JSON.stringify({
    aliasTarget: alias.KeyArn === reimported.KeyArn && byAlias.KeyArn === reimported.KeyArn,
    importedKcv: imported.KeyCheckValue,
    exportedKcv: wrapped.KeyCheckValue,
    reimportedKcv: reimported.KeyCheckValue,
    blockVersion: wrapped.KeyMaterial[0],
    created: kek.CreateTimestamp instanceof Date,
    listed: keys.some((key) => key.KeyArn === kek.KeyArn),
    missingAlias,
    pendingState: pending.KeyState,
    restoredEnabled: restored.Enabled,
    secondDelete,
    startedEnabled: started.Enabled,
    tags,
  }),
);
