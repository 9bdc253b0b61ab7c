//! Lists the built web app for embedding: `cargo xtask build` puts it into a directory and names that in `POSTROOM_ASSETS`.
//!
//! `$OUT_DIR/assets.rs` is an expression, `&[Asset { name, logical, content_type, raw, br, gz }, …]`; the variants that
//! compression would not make smaller are `None`. Without the variable the list is empty: the server compiles, and its tests
//! run, without built assets.

use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use serde_json::Value;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-env-changed=POSTROOM_ASSETS");
    println!("cargo::rerun-if-changed=build.rs");
    let site = env::var_os("POSTROOM_ASSETS").filter(|site| !site.is_empty()).map(PathBuf::from);
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?);
    let table = site.as_deref().map_or_else(|| Ok("&[]".into()), table)?;
    fs::write(out.join("assets.rs"), table)?;
    Ok(())
}

fn table(site: &Path) -> Result<String, Box<dyn Error>> {
    let manifest = site.join("manifest.json");
    println!("cargo::rerun-if-changed={}", manifest.display());
    let text = fs::read_to_string(&manifest).map_err(|error| format!("{}: {error}", manifest.display()))?;
    let manifest: Value = serde_json::from_str(&text)?;
    let mut table = String::from("&[\n");
    for asset in manifest["assets"].as_array().ok_or("the manifest lists no assets")? {
        let word = |key: &str| asset[key].as_str().ok_or_else(|| format!("an asset has no {key}"));
        let name = word("name")?;
        let include =
            |file: &str| site.join(file).to_str().map(|path| format!("include_bytes!({path:?})")).ok_or("a path isn't UTF-8");
        let variant = |key: &str| match asset[key].as_u64() {
            Some(_) => include(&format!("{name}.{key}")).map(|bytes| format!("Some({bytes})")),
            None => Ok("None".into()),
        };
        writeln!(
            table,
            "    Asset {{ name: {name:?}, logical: {:?}, content_type: {:?}, raw: {}, br: {}, gz: {} }},",
            word("logical")?,
            word("content_type")?,
            include(name)?,
            variant("br")?,
            variant("gz")?,
        )?;
    }
    table.push(']');
    Ok(table)
}
