// Checks Kubernetes objects, a JSON array on standard input, against the schemas that Kubernetes publishes (npm package
// kubernetes-models): by its validators, which know required fields, types and formats, and by its types, with which the
// TypeScript compiler refuses a field that the schema does not have (a typo is otherwise ignored by everybody).
// Prints one line a fault; exit code 1 when there is one.
const fs = require("fs");
const path = require("path");
const ts = require("typescript");

const objects = JSON.parse(fs.readFileSync(0, "utf8"));
const faults = [];
const lines = [];

objects.forEach((object, index) => {
  const place = `kubernetes-models/${object.apiVersion}/${object.kind}`;
  const name = `${object.kind} ${object.metadata.name}`;
  let Model;
  try {
    Model = require(place)[object.kind];
  } catch {
    faults.push(`${name}: there is no ${object.apiVersion} ${object.kind}`);
    return;
  }
  try {
    new Model(object).validate();
  } catch (error) {
    faults.push(`${name}: ${error.message}`);
  }
  lines.push(`import type { I${object.kind} as T${index} } from "${place}";`);
  lines.push(`export const v${index}: T${index} = ${JSON.stringify(object)};`);
});

const file = path.join(__dirname, "objects.ts");
const options = { noEmit: true, strict: true, skipLibCheck: true, module: ts.ModuleKind.CommonJS,
  moduleResolution: ts.ModuleResolutionKind.Node10, types: [], baseUrl: path.join(__dirname, "../..") };
const host = ts.createCompilerHost(options);
const read = host.getSourceFile;
host.getSourceFile = (wanted, ...rest) =>
  wanted === file ? ts.createSourceFile(wanted, lines.join("\n"), ts.ScriptTarget.ES2020) : read(wanted, ...rest);
const program = ts.createProgram([file], options, host);
for (const found of ts.getPreEmitDiagnostics(program)) {
  const line = found.file ? found.file.getLineAndCharacterOfPosition(found.start).line : 0;
  faults.push(`${line}: ${ts.flattenDiagnosticMessageText(found.messageText, " ").slice(0, 500)}`);
}
faults.forEach((fault) => console.log(fault));
process.exit(faults.length > 0 ? 1 : 0);
