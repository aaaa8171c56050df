// node run.mjs [FILE]: FILE holds raw samples, one behind the other: bytes for pixels, little-endian numbers else.
// Needs `npm install onnxruntime-web`; the same lines run in a browser, and with onnxruntime-node.
import { readFileSync } from "node:fs";
import * as ort from "onnxruntime-web";

const here = new URL(".", import.meta.url);
const session = await ort.InferenceSession.create(new Uint8Array(readFileSync(new URL("model.onnx", here))));
const [taken] = session.inputMetadata, given = session.outputNames.at(-1);
const bytes = new Uint8Array(readFileSync(process.argv[2] ?? new URL("sample.bin", here)));
const data = taken.type === "uint8" ? bytes : new (taken.type === "int64" ? BigInt64Array : Float32Array)(bytes.buffer);
const sample = taken.shape.slice(1), count = data.length / sample.reduce((a, b) => a * b, 1);
const { [given]: { data: answers } } = await session.run({ [taken.name]: new ort.Tensor(taken.type, data, [count, ...sample]) }, [given]);
const labels = readFileSync(new URL("labels.txt", here), "utf8").trimEnd().split("\n"), width = answers.length / count;
for (let at = 0; at < answers.length; at += width) {
  const part = width / labels.length, mean = (values) => values.reduce((a, b) => a + b, 0) / part; // of a mask, of each class
  const answer = labels.map((_, i) => mean(answers.slice(at + i * part, at + (i + 1) * part)));
  const shown = given === "probabilities" ? [answer.indexOf(Math.max(...answer))] : [...answer.keys()];
  console.log(shown.map((i) => `${labels[i]} ${answer[i].toFixed(5)}`).join(", "));
}
