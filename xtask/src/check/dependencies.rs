//! What may depend on what, and on whose terms. The rules about foreign crates are those of `deny.toml`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use serde_json::Value;
use toml::Table;

use crate::project::{Doing, Failure, Outcome, Project, output};
use crate::setup;

/// The project's crates, each with those of the project's own it may use.
const LAYERS: [(&str, &[&str]); 5] =
    [("domain", &[]), ("app", &["domain"]), ("frontend", &["app"]), ("server", &["app", "domain"]), ("xtask", &[])];

/// What has no place in the browser or in the rules, not even through others.
const SERVER_SIDE: [&str; 13] = [
    "axum",
    "hyper",
    "leptos_axum",
    "lettre",
    "mio",
    "openssl",
    "redb",
    "ring",
    "rustls",
    "tokio",
    "tokio-rustls",
    "tower-http",
    "x509-parser",
];

/// What only `server` may name.
const ONLY_SERVER: [&str; 9] = ["axum", "hyper", "leptos_axum", "lettre", "redb", "rustls", "tokio", "tokio-rustls", "x509-parser"];

/// Builds as `cargo tree` understands them that must stay free of [`SERVER_SIDE`].
const PURE_BUILDS: [&[&str]; 5] = [
    &["-p", "domain"],
    &["-p", "domain", "--features", "idna"],
    &["-p", "domain", "--target", setup::WASM],
    &["-p", "app", "--features", "hydrate", "--target", setup::WASM],
    &["-p", "frontend", "--target", setup::WASM],
];

/// Holds every rule and reports all that are broken.
pub(super) fn check(project: &Project) -> Outcome {
    let mut broken = Vec::new();
    let metadata = project.metadata(&["--all-features"])?;
    let packages = metadata["packages"].as_array().map(Vec::as_slice).unwrap_or_default();
    layers(packages, &mut broken);
    for build in PURE_BUILDS {
        let tree = output(project.cargo("tree").args(build).args(["--edges", "normal", "--prefix", "none", "--format", "{p}"]))?;
        let names: BTreeSet<&str> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
        for name in SERVER_SIDE.iter().filter(|name| names.contains(*name)) {
            broken.push(format!("`{}` pulls in {name} (see `cargo tree {} -i {name}`)", build.join(" "), build.join(" ")));
        }
    }
    Rules::read(project)?.hold(packages, &mut broken);
    explained(project, packages, &mut broken)?;
    if broken.is_empty() {
        return Ok(());
    }
    Err(Failure::new(broken.iter().map(|rule| format!("  {rule}")).collect::<Vec<_>>().join("\n")))
}

/// The members' direct dependencies against [`LAYERS`] and [`ONLY_SERVER`].
fn layers(packages: &[Value], broken: &mut Vec<String>) {
    let members: BTreeMap<&str, &[&str]> = LAYERS.into_iter().collect();
    for package in packages.iter().filter(|package| package["source"].is_null()) {
        let name = package["name"].as_str().unwrap_or_default();
        let Some(allowed) = members.get(name) else {
            broken.push(format!("{name} has no place in the layers: give it one in ARCHITECTURE.md and here"));
            continue;
        };
        for dependency in direct(package) {
            if members.contains_key(dependency) && !allowed.contains(&dependency) {
                broken.push(format!("{name} must not depend on {dependency}"));
            }
        }
        // A benchmark may name a peer to measure against: what counts is what is built in.
        for dependency in built_in(package) {
            if name != "server" && ONLY_SERVER.contains(&dependency) {
                broken.push(format!("{name} names {dependency}, which only server may know"));
            }
        }
    }
}

fn direct(package: &Value) -> impl Iterator<Item = &str> {
    package["dependencies"].as_array().into_iter().flatten().filter_map(|dependency| dependency["name"].as_str())
}

fn built_in(package: &Value) -> impl Iterator<Item = &str> {
    let dependencies = package["dependencies"].as_array().into_iter().flatten();
    dependencies.filter(|dependency| dependency["kind"].is_null()).filter_map(|dependency| dependency["name"].as_str())
}

/// The rules of `deny.toml` that are held here.
struct Rules {
    licences: BTreeSet<String>,
    banned: BTreeMap<String, String>,
    registries: BTreeSet<String>,
}

impl Rules {
    fn read(project: &Project) -> Outcome<Self> {
        let doing = || "read deny.toml".to_owned();
        let text = fs::read_to_string(project.root.join("deny.toml")).doing(doing)?;
        let table: Table = text.parse().doing(doing)?;
        let words = |section: &str, key: &str| -> BTreeSet<String> {
            let list = table.get(section).and_then(|section| section.get(key)).and_then(toml::Value::as_array);
            list.into_iter().flatten().filter_map(toml::Value::as_str).map(ToOwned::to_owned).collect()
        };
        let bans = table.get("bans").and_then(|bans| bans.get("deny")).and_then(toml::Value::as_array);
        let banned = bans.into_iter().flatten().filter_map(|ban| {
            let reason = ban.get("reason").and_then(toml::Value::as_str).unwrap_or_default();
            Some((ban.get("crate")?.as_str()?.to_owned(), reason.to_owned()))
        });
        let rules =
            Self { licences: words("licenses", "allow"), banned: banned.collect(), registries: words("sources", "allow-registry") };
        if rules.licences.is_empty() || rules.banned.is_empty() || rules.registries.is_empty() {
            return Err(Failure::new("deny.toml lacks the licences, the banned crates or the registries"));
        }
        Ok(rules)
    }

    fn hold(&self, packages: &[Value], broken: &mut Vec<String>) {
        for package in packages {
            let name = package["name"].as_str().unwrap_or_default();
            if let Some(reason) = self.banned.get(name) {
                broken.push(format!("{name} is banned: {reason}"));
            }
            if let Some(source) = package["source"].as_str()
                && !source.strip_prefix("registry+").is_some_and(|registry| self.registries.contains(registry))
            {
                broken.push(format!("{name} comes from {source}"));
            }
            match package["license"].as_str() {
                Some(licence) if is_allowed(licence, &self.licences) => {}
                Some(licence) => broken.push(format!("{name} is under {licence}, which deny.toml does not allow")),
                None => broken.push(format!("{name} states no licence")),
            }
        }
    }
}

/// Whether an SPDX expression can be satisfied with allowed licences. `/` is the old way to write `OR`.
fn is_allowed(expression: &str, allowed: &BTreeSet<String>) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut at = 0;
    any_of(&words, &mut at, allowed) && at == words.len()
}

fn any_of(words: &[&str], at: &mut usize, allowed: &BTreeSet<String>) -> bool {
    let mut is_allowed = all_of(words, at, allowed);
    while words.get(*at) == Some(&"OR") {
        *at += 1;
        is_allowed |= all_of(words, at, allowed);
    }
    is_allowed
}

fn all_of(words: &[&str], at: &mut usize, allowed: &BTreeSet<String>) -> bool {
    let mut is_allowed = one(words, at, allowed);
    while words.get(*at) == Some(&"AND") {
        *at += 1;
        is_allowed &= one(words, at, allowed);
    }
    is_allowed
}

fn one(words: &[&str], at: &mut usize, allowed: &BTreeSet<String>) -> bool {
    let Some(word) = words.get(*at) else { return false };
    *at += 1;
    if *word == "(" {
        let inner = any_of(words, at, allowed);
        let closes = words.get(*at) == Some(&")");
        *at += 1;
        return inner && closes;
    }
    if words.get(*at) == Some(&"WITH")
        && let Some(exception) = words.get(*at + 1)
    {
        *at += 2;
        return allowed.contains(&format!("{word} WITH {exception}"));
    }
    allowed.contains(*word)
}

/// Each direct dependency is named in CONTRIBUTING.md, where its reason stands.
fn explained(project: &Project, packages: &[Value], broken: &mut Vec<String>) -> Outcome {
    let Ok(contributing) = fs::read_to_string(project.root.join("CONTRIBUTING.md")) else {
        println!("There is no CONTRIBUTING.md yet; its list of dependencies isn't checked.");
        return Ok(());
    };
    let own: BTreeSet<&str> = LAYERS.into_iter().map(|(name, _)| name).collect();
    let members = packages.iter().filter(|package| package["source"].is_null());
    let mut names: BTreeSet<String> = members.flat_map(direct).filter(|name| !own.contains(name)).map(ToOwned::to_owned).collect();
    let doing = || "read end2end/package.json".to_owned();
    let npm: Value =
        serde_json::from_str(&fs::read_to_string(project.end2end().join("package.json")).doing(doing)?).doing(doing)?;
    for list in ["dependencies", "devDependencies"] {
        names.extend(npm[list].as_object().into_iter().flatten().map(|(name, _)| name.clone()));
    }
    let listed = first_cells(&contributing);
    for name in names.iter().filter(|name| !listed.contains(name.as_str())) {
        broken.push(format!("CONTRIBUTING.md gives no reason for the dependency {name}"));
    }
    Ok(())
}

/// The names in the first column of a document's tables.
fn first_cells(text: &str) -> BTreeSet<&str> {
    let cells = text.lines().filter_map(|line| line.strip_prefix('|')?.split('|').next());
    cells.flat_map(|cell| cell.split(',')).map(|name| name.trim().trim_matches('`')).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn licence_expressions_are_read_as_spdx_means_them() {
        let allowed: BTreeSet<String> = ["MIT", "Apache-2.0", "Apache-2.0 WITH LLVM-exception"].map(ToOwned::to_owned).into();
        for (expression, expected) in [
            ("MIT", true),
            ("GPL-3.0", false),
            ("MIT OR GPL-3.0", true),
            ("MIT/Apache-2.0", true),
            ("MIT AND GPL-3.0", false),
            ("(MIT OR GPL-3.0) AND Apache-2.0", true),
            ("MIT OR GPL-3.0 AND LGPL-2.1", true),
            ("(MIT OR Apache-2.0) AND Unicode-3.0", false),
            ("Apache-2.0 WITH LLVM-exception OR GPL-3.0", true),
            ("GPL-3.0 WITH Classpath-exception-2.0", false),
            ("(MIT", false),
            ("MIT MIT", false),
            ("", false),
        ] {
            assert_eq!(is_allowed(expression, &allowed), expected, "{expression}");
        }
    }

    #[test]
    fn a_wrong_edge_and_a_stranger_are_reported() {
        let package = |name: &str, dependencies: &[&str]| {
            let dependencies: Vec<Value> = dependencies.iter().map(|name| json!({ "name": name })).collect();
            json!({ "name": name, "source": null, "dependencies": dependencies })
        };
        let mut broken = Vec::new();
        layers(&[package("server", &["app", "domain", "redb"]), package("app", &["domain", "leptos"])], &mut broken);
        assert_eq!(broken, Vec::<String>::new());
        layers(&[package("domain", &["app"]), package("app", &["redb", "server"]), package("extra", &[])], &mut broken);
        assert_eq!(broken.len(), 4, "{broken:?}");
    }

    #[test]
    fn names_are_taken_from_the_first_column() {
        let cells = first_cells("Text, a\n| one, `two` | three |\n|---|---|\n");
        assert_eq!(cells, ["one", "two", "---"].into());
    }

    #[test]
    fn rules_hold_against_bans_sources_and_licences() {
        let rules = Rules {
            licences: ["MIT".to_owned()].into(),
            banned: [("openssl".to_owned(), "why".to_owned())].into(),
            registries: ["https://registry".to_owned()].into(),
        };
        let good = json!({ "name": "a", "source": "registry+https://registry", "license": "MIT" });
        let bad = json!({ "name": "openssl", "source": "git+https://elsewhere", "license": null });
        let mut broken = Vec::new();
        rules.hold(&[good], &mut broken);
        assert_eq!(broken, Vec::<String>::new());
        rules.hold(&[bad], &mut broken);
        assert_eq!(broken.len(), 3, "{broken:?}");
    }
}
