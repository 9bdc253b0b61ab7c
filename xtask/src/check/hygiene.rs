//! What must not get into the repository: paths of somebody's machine, silenced lints, style attributes, download addresses.

use std::path::Path;
use std::process::Command;
use std::{env, fs};

use crate::project::{Failure, Outcome, Project, output};

/// Reads every file of the repository and reports each line that breaks a rule.
pub(super) fn check(project: &Project) -> Outcome {
    if !project.root.join(".git").exists() {
        println!("This is no git checkout; its files aren't checked.");
        return Ok(());
    }
    let mut git = Command::new("git");
    let list = output(git.current_dir(&project.root).args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]))?;
    let home = env::var_os("HOME").map(|home| home.to_string_lossy().into_owned());
    let paths = machine_paths(&project.root, home.as_deref());
    let mut found = Vec::new();
    for name in list.split('\0').filter(|name| !name.is_empty()) {
        // Binary files and those that were just removed have no lines.
        let Ok(text) = fs::read_to_string(project.root.join(name)) else { continue };
        for (number, line) in text.lines().enumerate() {
            if let Some(problem) = problem(name, line, &paths) {
                found.push(format!("  {name}:{}: {problem}", number + 1));
            }
        }
    }
    if found.is_empty() {
        return Ok(());
    }
    Err(Failure::new(found.join("\n")))
}

/// Beginnings of paths that exist on this machine only: the home directory, the checkout, and the top directory it lies in
/// unless every system has that.
fn machine_paths(root: &Path, home: Option<&str>) -> Vec<String> {
    const EVERYWHERE: [&str; 11] = ["bin", "dev", "etc", "home", "mnt", "opt", "srv", "tmp", "usr", "var", "Users"];
    let root = root.to_string_lossy();
    let top = root.trim_start_matches('/').split('/').next().filter(|top| !top.is_empty() && !EVERYWHERE.contains(top));
    let home = home.filter(|home| home.len() > 1).map(|home| format!("{}/", home.trim_end_matches('/')));
    let mut paths = vec![root.to_string()];
    paths.extend(top.map(|top| format!("/{top}/")));
    paths.extend(home);
    paths
}

/// What is wrong with a line of the file `name`.
fn problem(name: &str, line: &str, machine_paths: &[String]) -> Option<String> {
    let is = |extension: &str| Path::new(name).extension().is_some_and(|found| found == extension);
    if let Some(path) = machine_paths.iter().find(|path| contains_path(line, path)) {
        return Some(format!("{path} is a path of one machine"));
    }
    let code = line.trim_start();
    if is("rs") && (code.starts_with(&["#[", "allow("].concat()) || code.starts_with(&["#![", "allow("].concat())) {
        return Some("a lint is silenced for good: `expect` it, with a reason".into());
    }
    if name.starts_with("app/src/") && is("rs") && !code.starts_with("//") {
        let words = code.split([' ', '\t', '<']);
        if words.into_iter().any(|word| word.starts_with("style=") || (word.starts_with("style:") && !word.starts_with("style::")))
        {
            return Some("the content security policy forbids style attributes: use a class".into());
        }
    }
    if name.ends_with("package-lock.json") && code.starts_with("\"resolved\"") {
        return Some("a download address; `omit-lockfile-registry-resolved=true` in .npmrc leaves it out".into());
    }
    None
}

/// Whether `path` stands in `line` as the beginning of a path, not in the middle of one.
fn contains_path(line: &str, path: &str) -> bool {
    line.match_indices(path)
        .any(|(at, _)| !line[..at].ends_with(|before: char| before.is_alphanumeric() || "._-/*}>)".contains(before)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rule_finds_its_line_and_leaves_its_neighbours() {
        let paths = machine_paths(Path::new("/somewhere/checkout"), Some("/mine"));
        let allow = ["#[", "allow(dead_code)]"].concat();
        for (name, line, is_problem) in [
            ("README.md", "see /somewhere/else", true),
            ("README.md", "see /mine/notes", true),
            ("README.md", "see https://example.com/somewhere/else and ./somewhere/x", false),
            ("server/src/x.rs", allow.as_str(), true),
            ("notes.md", allow.as_str(), false),
            ("server/src/x.rs", "#[expect(dead_code, reason = \"x\")]", false),
            ("app/src/pages/list.rs", "<p style=\"color:red\">", true),
            ("app/src/pages/list.rs", "<p style:color=\"red\">", true),
            ("app/src/pages/list.rs", "<link rel=\"stylesheet\" href=css/>", false),
            ("server/src/x.rs", "let style = style::x;", false),
            ("end2end/package-lock.json", "      \"resolved\": \"https://x\",", true),
        ] {
            assert_eq!(problem(name, line, &paths).is_some(), is_problem, "{name}: {line}");
        }
    }

    #[test]
    fn directories_of_every_system_are_no_ones_own() {
        assert!(!machine_paths(Path::new("/usr/src/x"), None).contains(&"/usr/".to_owned()));
        assert!(!machine_paths(Path::new("/x"), Some("/")).contains(&"/".to_owned()));
    }
}
