//! `postroom import`.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead as _, IsTerminal as _, Read, Write as _};
use std::path::Path;
use std::process::ExitCode;

use domain::activity::Change;
use domain::error::Problem;
use domain::exchange::{ImportFate, ImportItem};
use domain::smtp_server::{SecretInput, ServerPatch};
use domain::words;
use zeroize::Zeroizing;

use super::data::{refuse, say};
use super::{ImportArgs, USAGE, fail};
use crate::control::{Done, Event, Hidden, Refusal, Request};
use crate::exchange::{self, MAX_FILE_HERE, VARIABLES};

/// The file can't be read.
const CANT_READ: u8 = 13;

pub(super) fn run(args: &ImportArgs) -> ExitCode {
    let (file, variables) = match read(&args.file) {
        Ok(read) => read,
        Err((sentence, code)) => return fail(&sentence, code),
    };
    let request = |keep| Request::ImportServers { file: file.clone(), variables: variables.clone(), keep };
    let mut refused = 0;
    let planned = args.data.carry_out(request(false), &mut |event| {
        if let Event::Planned(item) = event {
            refused += u64::from(matches!(item.fate, ImportFate::Refused { .. }));
            for line in lines(&item) {
                say(&line);
            }
        }
        Ok(())
    });
    match planned {
        Ok(Done::Planned { default }) => {
            if let Some(name) = default {
                say(&format!("The default server would be {name}."));
            }
        }
        Ok(_) => return refuse(&Refusal::other_version()),
        Err(refusal) => return refuse(&refusal),
    }
    if refused > 0 {
        let servers = if refused == 1 { "1 server" } else { "some servers" };
        return fail(&format!("Nothing was imported: {servers} can't be taken in as they are."), Refusal::NOT_IMPORTABLE);
    }
    if args.dry_run || !(args.yes || agreed()) {
        say(if args.dry_run {
            "Nothing was imported, since it was only to be told."
        } else {
            "Nothing was imported. With --yes it is."
        });
        return ExitCode::SUCCESS;
    }
    match args.data.carry_out(request(true), &mut |_| Ok(())) {
        Ok(Done::Imported { added, changed, unchanged }) => {
            say(&format!("Imported: {added} added, {changed} changed, {unchanged} unchanged."));
            ExitCode::SUCCESS
        }
        Ok(_) => refuse(&Refusal::other_version()),
        Err(refusal) => refuse(&refusal),
    }
}

/// The file, and what the variables hold that it names and may name.
fn read(path: &Path) -> Result<(Hidden, BTreeMap<String, Hidden>), (String, u8)> {
    let mut text = Zeroizing::new(String::new());
    let take = |reader: &mut dyn Read, text: &mut String| reader.take(MAX_FILE_HERE as u64 + 1).read_to_string(text);
    let read = if path == Path::new("-") {
        take(&mut io::stdin(), &mut text)
    } else {
        File::open(path).and_then(|mut file| take(&mut file, &mut text))
    };
    read.map_err(|error| (format!("{} can't be read ({error}), so nothing was imported.", path.display()), CANT_READ))?;
    let servers = exchange::read(text.as_bytes(), MAX_FILE_HERE).map_err(|problem| match problem {
        Problem::TooLarge { max } => (format!("The file is larger than {max} bytes, so nothing was imported."), USAGE),
        problem => (words::problem(&problem), Refusal::NOT_IMPORTABLE),
    })?;
    let names = servers.iter().flat_map(named).filter(|name| name.starts_with(VARIABLES));
    let variables = names.filter_map(|name| Some((name.to_owned(), Hidden(Zeroizing::new(std::env::var(name).ok()?)))));
    Ok((Hidden(text), variables.collect()))
}

/// The variables that a server takes secrets from.
fn named(server: &ServerPatch) -> impl Iterator<Item = &str> {
    [&server.password, &server.client_certificate].into_iter().flatten().flatten().filter_map(|input| match input {
        SecretInput::Env(name) => Some(name.as_str()),
        SecretInput::Value(_) => None,
    })
}

/// Whether somebody at the terminal says yes.
fn agreed() -> bool {
    if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
        return false;
    }
    let _ = write!(io::stdout(), "Import this? [y/N] ").and_then(|()| io::stdout().flush());
    let mut answer = String::new();
    let read = io::stdin().lock().take(100).read_line(&mut answer);
    read.is_ok() && matches!(answer.trim().to_lowercase().as_str(), "y" | "yes")
}

/// What becomes of a server, a line for the whole and one for each thing that changes.
fn lines(item: &ImportItem) -> Vec<String> {
    let name = if item.name.is_empty() { format!("server {}", item.at + 1) } else { item.name.clone() };
    let mut lines = Vec::new();
    match &item.fate {
        ImportFate::Added => lines.push(format!("+ {name}: will be added")),
        ImportFate::Unchanged => lines.push(format!("= {name}: is like this already")),
        ImportFate::Changed { changes } => {
            lines.push(format!("~ {name}: will be changed"));
            lines.extend(changes.iter().map(|change| format!("    {}", changed(change))));
        }
        ImportFate::Refused { sentences } => {
            lines.push(format!("! {name}: can't be taken in"));
            lines.extend(sentences.iter().map(|sentence| format!("    {sentence}")));
        }
    }
    if item.needs_password {
        lines.push("    its password has to be entered afterwards".into());
    }
    lines
}

fn changed(Change { field, old, new, secret }: &Change) -> String {
    let label = words::key_label(field);
    if *secret {
        return format!("{label}: another one, or none");
    }
    let value = |value: &Option<String>| match value.as_deref() {
        None | Some("") => "–".to_owned(),
        Some(text) => words::shown(text, 200),
    };
    format!("{label}: {} → {}", value(old), value(new))
}
