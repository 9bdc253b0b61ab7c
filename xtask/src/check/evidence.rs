//! SECURITY.md names, for every requirement, the tests that hold its control. This holds that there are such tests.

use std::fs;
use std::path::Path;

use crate::project::{Failure, Outcome, Project};

/// Looks for every test that the tables of SECURITY.md name.
pub(super) fn check(project: &Project) -> Outcome {
    let failed = |error: std::io::Error| Failure::new(format!("SECURITY.md and the tests can't be read ({error})."));
    let text = fs::read_to_string(project.root.join("SECURITY.md")).map_err(failed)?;
    let mut tests = String::new();
    for folder in ["domain/src", "app/src", "server/src", "server/tests", "end2end/tests", "xtask/src"] {
        read_all(&project.root.join(folder), &mut tests).map_err(failed)?;
    }
    let named = named(&text);
    if named.is_empty() {
        return Err(Failure::new("SECURITY.md names no test at all: its tables aren't found any more."));
    }
    let missing: Vec<String> = named
        .into_iter()
        .filter(|name| !tests.contains(&format!("fn {name}(")) && !tests.contains(&format!("test('{name}'")))
        .map(|name| format!("  SECURITY.md names a test that isn't there: {name}"))
        .collect();
    if missing.is_empty() { Ok(()) } else { Err(Failure::new(missing.join("\n"))) }
}

/// What stands in backquotes in the last cell of each row of a table.
fn named(text: &str) -> Vec<&str> {
    let rows = text.lines().filter_map(|line| line.trim().strip_prefix('|')?.strip_suffix('|'));
    let last = rows.filter_map(|row| row.rsplit('|').next());
    last.flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect()
}

fn read_all(folder: &Path, text: &mut String) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            read_all(&path, text)?;
        } else if path.extension().is_some_and(|extension| extension == "rs" || extension == "ts") {
            text.push_str(&fs::read_to_string(&path)?);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_cell_of_a_row_names_tests() {
        let text = "`not_this`\n\n| 1.1 | uses `this` | `one_test`, `two words` |\n|---|---|---|\n| 1.2 | – | – |\n";
        assert_eq!(named(text), ["one_test", "two words"]);
    }
}
