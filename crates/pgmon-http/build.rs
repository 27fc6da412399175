//! Puts the pages (`ui/dist`) into the library, compressed as `npm run build` left them, and the columns of the API's
//! lists.
//!
//! A clone in which the pages were not built compiles as well, with one page that says how to build them.

use serde_json::Value;
use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

/// What stands in for the pages.
const UNBUILT: &str = r#"<!doctype html>
<html lang="en"><head><meta charset="utf-8" /><base href="/" /><meta name="viewport" content="width=device-width" />
<title>pgmon: without pages</title></head>
<body>
<h1>pgmon</h1>
<p>This pgmon was built without its pages. It watches all the same: see <a href="status">what is watched</a> and
<a href="metrics">the metrics</a>.</p>
<p>To have the pages, run <code>script/ui</code> in pgmon's source (or <code>npm ci</code> and <code>npm run build</code> in
<code>ui</code>), then build pgmon again.</p>
</body></html>
"#;

fn main() -> Result<(), Box<dyn Error>> {
    let dist = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("../../ui/dist");
    // The directory is always there (`.keep`): cargo would take one that is missing for changed, each time.
    println!("cargo::rerun-if-changed={}", dist.display());
    println!("cargo::rerun-if-changed=build.rs");
    let out = PathBuf::from(env::var("OUT_DIR")?);
    // Copies: the pages may be built again while the compiler reads them.
    let copies = out.join("ui");
    if copies.is_dir() {
        fs::remove_dir_all(&copies)?;
    }
    fs::create_dir_all(&copies)?;
    let index = dist.join("index.html");
    let mut files = BTreeMap::new();
    let built = index.is_file();
    if built {
        collect(&dist, "", &mut files)?;
    } else if env::var("PROFILE")? == "release" {
        println!("cargo::warning=ui/dist is empty: this pgmon has no pages; run script/ui first");
    }
    let mut text = format!("pub(super) const BUILT: bool = {built};\n");
    if built {
        let copy = copies.join("index.html");
        fs::copy(&index, &copy)?;
        writeln!(text, "pub(super) const INDEX: &str = include_str!({copy:?});")?;
    } else {
        writeln!(text, "pub(super) const INDEX: &str = {UNBUILT:?};")?;
    }
    writeln!(text, "pub(super) static FILES: &[File] = &[")?;
    for (n, (path, (file, packed))) in files.iter().enumerate() {
        let copy = copies.join(n.to_string());
        fs::copy(file, &copy)?;
        writeln!(text, "File {{ path: {path:?}, packed: {packed}, bytes: include_bytes!({copy:?}) }},")?;
    }
    writeln!(text, "];")?;
    fs::write(out.join("ui_files.rs"), text)?;
    let description = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("../../docs/openapi.json");
    println!("cargo::rerun-if-changed={}", description.display());
    fs::write(out.join("columns.txt"), columns(&fs::read_to_string(description)?)?)?;
    Ok(())
}

/// What is to be served but `index.html`: where it lies, and whether that is its compressed form.
fn collect(
    directory: &Path,
    above: &str,
    files: &mut BTreeMap<String, (PathBuf, bool)>,
) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name =
            entry.file_name().into_string().map_err(|name| format!("not UTF-8: {}", name.display()))?;
        let path = format!("{above}{name}");
        if name.starts_with('.') || name.ends_with(".gz") || name.ends_with(".br") || path == "index.html" {
            continue;
        }
        if entry.file_type()?.is_dir() {
            collect(&entry.path(), &format!("{path}/"), files)?;
            continue;
        }
        let packed = directory.join(format!("{name}.gz"));
        let is_packed = packed.is_file();
        files.insert(path, (if is_packed { packed } else { entry.path() }, is_packed));
    }
    Ok(())
}

/// The columns of all lists of the API's answers, as `api/columns.rs` reads them.
fn columns(description: &str) -> Result<String, Box<dyn Error>> {
    let document: Value = serde_json::from_str(description)?;
    let mut out = String::new();
    for (path, described) in document["paths"].as_object().ok_or("the description has no paths")? {
        let answer = &described["get"]["responses"]["200"]["content"]["application/json"]["schema"];
        let data = &resolve(&document, answer)["properties"]["data"];
        let fields = &resolve(&document, data)["properties"];
        let panels = fields.get("panels").map(|panels| &resolve(&document, panels)["properties"]);
        let path = path.trim_start_matches("/api/v1/");
        for (name, list) in panels.unwrap_or(fields).as_object().into_iter().flatten() {
            let list = resolve(&document, list);
            let items = if panels.is_some() { &list["properties"]["rows"]["items"] } else { &list["items"] };
            let row = resolve(&document, items);
            let Some(columns) = row["properties"].as_object() else { continue };
            write!(out, "{path} {name}")?;
            for (column, schema) in columns {
                let kind = name_of(schema).filter(|kind| ["Level", "State", "UpState"].contains(kind));
                let kind = kind.map(|kind| format!(":{kind}")).unwrap_or_default();
                let is_required =
                    row["required"].as_array().is_some_and(|all| all.iter().any(|r| r == column));
                write!(out, " {column}{kind}{}", if is_required { "" } else { "?" })?;
            }
            writeln!(out)?;
        }
    }
    Ok(out)
}

/// The type that a schema refers to, or the schema itself.
fn resolve<'d>(document: &'d Value, schema: &'d Value) -> &'d Value {
    name_of(schema).map_or(schema, |name| &document["components"]["schemas"][name])
}

/// The name of the type that is referred to, also if there may be none.
fn name_of(schema: &Value) -> Option<&str> {
    let one_of = schema["anyOf"].as_array().into_iter().flatten();
    let reference = [schema].into_iter().chain(one_of).find_map(|s| s["$ref"].as_str())?;
    reference.rsplit('/').next()
}
