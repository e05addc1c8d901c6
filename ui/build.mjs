// Bundles the sources in src/ into the folder that the package ships: names carry a hash, and each file lies beside its
// gzip and brotli forms. manifest.json tells the server which name stands for which source.
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import { build } from "esbuild";

const HERE = dirname(fileURLToPath(import.meta.url));
const SOURCES = join(HERE, "src");
const BUILT = join(HERE, "..", "src", "jobsight", "web", "assets");
const COPIED = [".svg"];

rmSync(BUILT, { recursive: true, force: true });
mkdirSync(BUILT, { recursive: true });

const names = readdirSync(SOURCES);
const entries = names.filter((name) => /^(app|charts|worker)\.ts$|^app\.css$/.test(name));
const result = await build({
    absWorkingDir: SOURCES,
    entryPoints: entries,
    outdir: BUILT,
    entryNames: "[name]-[hash]",
    chunkNames: "part-[hash]",
    bundle: true,
    splitting: true,
    format: "esm",
    minify: true,
    target: ["es2022", "chrome123", "firefox128", "safari17.5"],
    legalComments: "none",
    metafile: true,
    logLevel: "warning",
});

const files = {};
for (const [path, output] of Object.entries(result.metafile.outputs)) {
    const name = path.split("/").at(-1);
    files[output.entryPoint ?? name] = name;
}
for (const name of names.filter((one) => COPIED.includes(extname(one)))) {
    const content = readFileSync(join(SOURCES, name));
    const hash = createHash("sha256").update(content).digest("hex").slice(0, 8).toUpperCase();
    files[name] = `${name.slice(0, -extname(name).length)}-${hash}${extname(name)}`;
    writeFileSync(join(BUILT, files[name]), content);
}
for (const name of Object.values(files)) {
    const content = readFileSync(join(BUILT, name));
    writeFileSync(join(BUILT, `${name}.gz`), gzipSync(content, { level: 9 }));
    const quality = { [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY };
    writeFileSync(join(BUILT, `${name}.br`), brotliCompressSync(content, { params: quality }));
}
const manifest = { sources: process.env.JOBSIGHT_UI_SOURCES ?? "", files };
writeFileSync(join(BUILT, "manifest.json"), `${JSON.stringify(manifest, null, 1)}\n`);
