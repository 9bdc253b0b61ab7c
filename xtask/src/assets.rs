//! Makes the web app's files what the binary embeds: bundled, named by their content, compressed, listed in a manifest.
//!
//! `server/build.rs` reads the manifest. A name carries a hash of the content, so a file that is there already is right.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::{fs, io};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::project::{Doing, Failure, Outcome};

/// The list of what is embedded, in the site's directory.
pub(crate) const MANIFEST: &str = "manifest.json";

/// A file of the web app.
pub(crate) struct Asset {
    /// What it is, such as `app.js`.
    pub(crate) logical: String,
    /// What it is served as, such as `app.0123456789abcdef.js`.
    pub(crate) name: String,
    /// Bytes as they are.
    pub(crate) raw: usize,
    /// Bytes with brotli, if that is less.
    pub(crate) br: Option<usize>,
    /// Bytes with gzip, if that is less.
    pub(crate) gz: Option<usize>,
}

/// The lower-case hexadecimal SHA-256 of `bytes`.
pub(crate) fn hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// The name under which `logical` with this content is served.
pub(crate) fn hashed_name(logical: &str, bytes: &[u8]) -> String {
    let hash = &hash(bytes)[..16];
    match logical.rsplit_once('.') {
        Some((stem, extension)) => format!("{stem}.{hash}.{extension}"),
        None => format!("{logical}.{hash}"),
    }
}

/// Writes a file of the web app with its compressed variants into `site`, unless they are there.
pub(crate) fn put(site: &Path, logical: &str, bytes: &[u8]) -> Outcome<Asset> {
    let name = hashed_name(logical, bytes);
    let doing = || format!("write {name} into {}", site.display());
    let variant = |extension: &str, compress: fn(&[u8]) -> io::Result<Vec<u8>>| -> io::Result<Option<usize>> {
        let path = site.join(format!("{name}.{extension}"));
        if let Ok(metadata) = fs::metadata(&path) {
            return Ok(usize::try_from(metadata.len()).ok().filter(|length| *length < bytes.len()));
        }
        let compressed = compress(bytes)?;
        replace(&path, &compressed)?;
        Ok(Some(compressed.len()).filter(|length| *length < bytes.len()))
    };
    let br = variant("br", brotli).doing(doing)?;
    let gz = variant("gz", gzip).doing(doing)?;
    if !site.join(&name).is_file() {
        replace(&site.join(&name), bytes).doing(doing)?;
    }
    Ok(Asset { logical: logical.into(), name, raw: bytes.len(), br, gz })
}

/// Writes the manifest, if it says something new, and removes what it does not list.
pub(crate) fn finish(site: &Path, assets: &[Asset]) -> Outcome {
    let list: Vec<Value> = assets
        .iter()
        .map(|asset| {
            json!({
                "logical": asset.logical, "name": asset.name, "content_type": content_type(&asset.logical),
                "raw": asset.raw, "br": asset.br, "gz": asset.gz,
            })
        })
        .collect();
    let text = format!("{:#}\n", json!({ "assets": list }));
    let manifest = site.join(MANIFEST);
    if fs::read_to_string(&manifest).is_ok_and(|old| old == text) {
        return Ok(());
    }
    for entry in fs::read_dir(site).doing(|| format!("read {}", site.display()))?.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_listed = assets.iter().any(|asset| name.starts_with(&asset.name));
        if entry.path().is_file() && !is_listed && name != MANIFEST {
            fs::remove_file(entry.path()).doing(|| format!("remove {name}"))?;
        }
    }
    replace(&manifest, text.as_bytes()).doing(|| format!("write {}", manifest.display()))
}

/// What the manifest in `site` lists.
pub(crate) fn listed(site: &Path) -> Outcome<Vec<Asset>> {
    let manifest = site.join(MANIFEST);
    let doing = || format!("read {}", manifest.display());
    let text = fs::read_to_string(&manifest).doing(doing)?;
    let value: Value = serde_json::from_str(&text).doing(doing)?;
    let bytes = |value: &Value| value.as_u64().and_then(|bytes| usize::try_from(bytes).ok());
    let assets = value["assets"].as_array().into_iter().flatten().map(|asset| {
        Some(Asset {
            logical: asset["logical"].as_str()?.into(),
            name: asset["name"].as_str()?.into(),
            raw: bytes(&asset["raw"])?,
            br: bytes(&asset["br"]),
            gz: bytes(&asset["gz"]),
        })
    });
    assets.collect::<Option<_>>().ok_or_else(|| Failure::new(format!("can't {}: something is missing in it", doing())))
}

/// The style sheet and everything that lies beside it in `style`, as logical names with their bytes. `@import` of a file
/// there is resolved, comments and indentation go, and `url(file)` of a file there becomes its hashed name.
pub(crate) fn style(dir: &Path) -> Outcome<Vec<(String, Vec<u8>)>> {
    let doing = || format!("read {}", dir.display());
    let mut others = BTreeMap::new();
    let mut sheets = BTreeMap::new();
    for entry in fs::read_dir(dir).doing(doing)? {
        let entry = entry.doing(doing)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if !entry.path().is_file() || name.starts_with('.') {
            continue;
        }
        let bytes = fs::read(entry.path()).doing(|| format!("read {}", entry.path().display()))?;
        if name.to_ascii_lowercase().ends_with(".css") {
            sheets.insert(name, String::from_utf8(bytes).doing(|| format!("read {}", entry.path().display()))?);
        } else {
            others.insert(name, bytes);
        }
    }
    let mut css = squeeze(&bundle("main.css", &sheets, &mut Vec::new())?);
    for (name, bytes) in &others {
        for quoted in [format!("url({name})"), format!("url(\"{name}\")"), format!("url('{name}')")] {
            css = css.replace(&quoted, &format!("url({})", hashed_name(name, bytes)));
        }
    }
    Ok(others.into_iter().chain([("main.css".to_owned(), css.into_bytes())]).collect())
}

/// A style sheet with what it imports in place. An import stands on a line of its own, with an optional `layer(…)`.
fn bundle(name: &str, sheets: &BTreeMap<String, String>, open: &mut Vec<String>) -> Outcome<String> {
    let text = sheets.get(name).ok_or_else(|| Failure::new(format!("there is no style/{name}")))?;
    if open.iter().any(|outer| outer == name) {
        return Err(Failure::new(format!("style/{name} imports itself")));
    }
    open.push(name.into());
    let mut out = String::new();
    for line in text.lines() {
        let Some(import) = line.trim().strip_prefix("@import ") else {
            out.push_str(line);
            out.push('\n');
            continue;
        };
        let (file, rest) = import
            .trim_start_matches("url(")
            .trim_start_matches(['"', '\''])
            .split_once(['"', '\''])
            .ok_or_else(|| Failure::new(format!("style/{name}: can't read “{line}”")))?;
        let inner = bundle(file.trim_start_matches("./"), sheets, open)?;
        match rest.trim_matches([')', ';', ' ']).strip_prefix("layer(") {
            Some(layer) => {
                let _ = writeln!(out, "@layer {layer} {{\n{inner}}}");
            }
            None if rest.trim_matches([')', ';', ' ']).is_empty() => out.push_str(&inner),
            None => return Err(Failure::new(format!("style/{name}: can't read “{line}”"))),
        }
    }
    open.pop();
    Ok(out)
}

/// CSS without comments, indentation and empty lines; what stands in quotes stays.
fn squeeze(css: &str) -> String {
    let mut out = String::with_capacity(css.len());
    let mut rest = css;
    while let Some(c) = rest.chars().next() {
        if rest.starts_with("/*") {
            rest = rest[2..].split_once("*/").map_or("", |(_, after)| after);
            continue;
        }
        if c == '"' || c == '\'' {
            let mut escaped = false;
            let end = rest[1..].find(|next| {
                let closes = next == c && !escaped;
                escaped = next == '\\' && !escaped;
                closes
            });
            let (string, after) = rest.split_at(end.map_or(rest.len(), |end| end + 2));
            out.push_str(string);
            rest = after;
            continue;
        }
        if c == '\n' {
            out.truncate(out.trim_end_matches([' ', '\t', '\r']).len());
            if !out.is_empty() && !out.ends_with('\n') {
                out.push('\n');
            }
            rest = rest[1..].trim_start_matches([' ', '\t', '\r']);
            continue;
        }
        out.push(c);
        rest = &rest[c.len_utf8()..];
    }
    out
}

/// `bytes` with brotli at its best.
pub(crate) fn brotli(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let params = brotli::enc::BrotliEncoderParams { quality: 11, lgwin: 22, size_hint: bytes.len(), ..Default::default() };
    let mut out = Vec::new();
    brotli::BrotliCompress(&mut &bytes[..], &mut out, &params)?;
    Ok(out)
}

/// `bytes` with gzip at its best, without a time in it.
pub(crate) fn gzip(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes)?;
    encoder.finish()
}

/// The media type by the name's extension.
fn content_type(logical: &str) -> &'static str {
    match logical.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "css" => "text/css; charset=utf-8",
        "ico" => "image/x-icon",
        "js" => "text/javascript; charset=utf-8",
        "png" => "image/png",
        "svg" => "image/svg+xml",
        "txt" => "text/plain; charset=utf-8",
        "wasm" => "application/wasm",
        "webmanifest" => "application/manifest+json",
        "woff2" => "font/woff2",
        _ => "application/octet-stream",
    }
}

/// Writes a file so that it is there whole or not at all.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut partial = path.as_os_str().to_owned();
    partial.push(".partial");
    fs::write(&partial, bytes)?;
    fs::rename(&partial, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sheets(list: &[(&str, &str)]) -> BTreeMap<String, String> {
        list.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
    }

    #[test]
    fn squeezing_keeps_what_is_in_quotes_and_drops_comments() {
        let css = "/* a\n b */\n.x {\n    content: \"/* no */  \\\"\";\n\n    color : red; /* c */\n}\n";
        assert_eq!(squeeze(css), ".x {\ncontent: \"/* no */  \\\"\";\ncolor : red;\n}\n");
        assert_eq!(squeeze("a{} /* never closed"), "a{} ");
        assert_eq!(squeeze("a{b:'never closed"), "a{b:'never closed");
        assert_eq!(squeeze("a{b:'ü'}"), "a{b:'ü'}");
    }

    #[test]
    fn imports_are_put_in_place_once_each_and_circles_are_refused() {
        let found = bundle(
            "main.css",
            &sheets(&[
                ("main.css", "@import \"a.css\";\n@import url('./b.css') layer(base);\nm{}\n"),
                ("a.css", "a{}"),
                ("b.css", "b{}"),
            ]),
            &mut Vec::new(),
        );
        assert_eq!(found.expect("bundles"), "a{}\n@layer base {\nb{}\n}\nm{}\n");
        let circle = sheets(&[("main.css", "@import 'a.css';"), ("a.css", "@import 'main.css';")]);
        assert!(bundle("main.css", &circle, &mut Vec::new()).is_err());
        assert!(bundle("main.css", &sheets(&[("main.css", "@import 'gone.css';")]), &mut Vec::new()).is_err());
    }

    #[test]
    fn a_site_lists_what_was_put_and_loses_what_was_not() {
        let dir = tempfile::tempdir().expect("a directory");
        let old = put(dir.path(), "main.css", &b"a{color:red}".repeat(50)).expect("puts");
        finish(dir.path(), &[old]).expect("finishes");
        let css = b"a{color:blue}".repeat(50);
        let new = put(dir.path(), "main.css", &css).expect("puts");
        let tiny = put(dir.path(), "x.txt", b"x").expect("puts");
        assert!(new.br.is_some() && new.gz.is_some());
        assert!(tiny.br.is_none() && tiny.gz.is_none(), "what grows is not used");
        finish(dir.path(), &[new, tiny]).expect("finishes");
        let listed = listed(dir.path()).expect("lists");
        assert_eq!(listed.iter().map(|asset| asset.logical.as_str()).collect::<Vec<_>>(), ["main.css", "x.txt"]);
        assert_eq!(listed[0].name, hashed_name("main.css", &css));
        assert_eq!(fs::read_dir(dir.path()).expect("reads").count(), 7, "two files, two variants each, the manifest");
        let mut plain = Vec::new();
        let br = fs::read(dir.path().join(format!("{}.br", listed[0].name))).expect("reads");
        brotli::BrotliDecompress(&mut &br[..], &mut plain).expect("decompresses");
        assert_eq!(plain, css);
    }
}
