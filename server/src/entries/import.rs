//! Entries out to a file and in from one. Going out, no secret is among them. Coming in, an entry of the same name is changed, any
//! other is new, and all rules of entries hold; what would be done and what is done are found out by the same code.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use domain::activity::{Change, Deed};
use domain::entry::{Content, EntryId};
use domain::error::Problem;
use domain::exchange::{ExportSecrets, ImportFate, ImportItem, Imported};
use domain::field::{Field, FieldError, FieldErrors};
use domain::name::Name;
use domain::secret::{Secret, SecretChange};
use domain::smtp_server::{Checked, Has, PasswordDraft, ServerDraft, ServerOut, ServerPatch, SignIn};
use domain::words;

use super::secrets::Client;
use super::told::{change, changes, secret_changes, server as subject};
use super::{Entries, check_room, has, record};
use crate::backend::{client_certificate_of, password_of};
use crate::exchange::{self, Portable};
use crate::store::{Read, Record};

/// Where the secrets of a file come from that are named in it: a variable, and what it holds.
pub type Variables = BTreeMap<String, Secret>;

/// What an import would do.
#[derive(Debug)]
pub struct Plan {
    /// With each server, in the order of the file.
    pub items: Vec<ImportItem>,
    /// The default from then on, where it would be another one.
    pub default: Option<String>,
}

/// A server of the file, looked at.
struct Weighed {
    item: ImportItem,
    doing: Doing,
}

/// What is to be done with it.
enum Doing {
    Nothing,
    AddNamed(Name),
    Add(Box<Checked>, Client),
    Save { id: EntryId, old: Box<Record>, has: Has, checked: Box<Checked>, client: Client },
}

/// All of the file, looked at.
struct Scales {
    weighed: Vec<Weighed>,
    default: Option<String>,
}

impl Entries {
    /// Entries as a file, or all of them where none are named, by name; and how many there are. No secret is in it.
    ///
    /// # Errors
    /// [`Problem::NoSuchEntry`], or as the store.
    pub fn export(&self, ids: &[EntryId], secrets: ExportSecrets) -> Result<(String, u64), Problem> {
        let wanted: BTreeSet<EntryId> = ids.iter().copied().collect();
        self.store.writing(|tx| {
            let mut all = Vec::new();
            tx.scan(&mut |line| {
                if wanted.is_empty() || wanted.contains(&line.id) {
                    all.push(line.id);
                }
                ControlFlow::Continue(())
            })?;
            let found: BTreeSet<EntryId> = all.iter().copied().collect();
            if let Some(missing) = wanted.difference(&found).next() {
                return Err(Problem::NoSuchEntry(*missing));
            }
            let default = tx.default()?;
            let (mut servers, mut what) = (Vec::with_capacity(all.len()), self.by.did(Deed::ServersExported));
            for id in all {
                let content = record(&*tx, id)?.content;
                what.subjects.push(subject(id, content.name()));
                servers.push(match content.server() {
                    None => Portable::Named(content.name().to_string()),
                    Some(server) => Portable::Whole(Box::new(ServerOut::of(server, default == Some(id), has(&*tx, id)?))),
                });
            }
            let count = servers.len() as u64;
            what.detail = match count {
                1 => "1 server, without secrets.".into(),
                count => format!("{count} servers, without secrets."),
            };
            let file = exchange::write(servers, secrets)?;
            self.note(tx, &what)?;
            Ok((file, count))
        })
    }

    /// What taking in `servers` would do. Nothing is kept.
    ///
    /// # Errors
    /// [`Problem::TooManyEntries`], or as the store.
    pub fn plan_import(&self, servers: &[ServerPatch], variables: &Variables) -> Result<Plan, Problem> {
        self.store.reading(|tx| {
            let Scales { weighed, default } = weigh(tx, servers, None, variables)?;
            Ok(Plan { items: weighed.into_iter().map(|weighed| weighed.item).collect(), default })
        })
    }

    /// Takes in `servers`, or those of them at the places `only`: all or none.
    ///
    /// # Errors
    /// [`Problem::NothingChosen`]; [`Problem::Malformed`] for a place that isn't there; [`Problem::NotImportable`] if one of them can't be
    /// taken in; [`Problem::TooManyEntries`]; or as the store.
    pub fn import(&self, servers: &[ServerPatch], only: Option<&[usize]>, variables: &Variables) -> Result<Imported, Problem> {
        let only: Option<BTreeSet<usize>> = only.map(|only| only.iter().copied().collect());
        match &only {
            Some(only) if only.is_empty() => return Err(Problem::NothingChosen),
            Some(only) if only.iter().any(|at| *at >= servers.len()) => {
                return Err(Problem::Malformed { detail: "“only” names a place that isn't in the file".into() });
            }
            _ => {}
        }
        self.store.writing(|tx| {
            let Scales { weighed, .. } = weigh(&*tx, servers, only.as_ref(), variables)?;
            for Weighed { item, .. } in &weighed {
                if let ImportFate::Refused { sentences } = &item.fate {
                    return Err(Problem::NotImportable { detail: words::not_importable(&item.name, sentences) });
                }
            }
            let (mut imported, mut what) = (Imported::default(), self.by.did(Deed::ServersImported));
            for Weighed { item, doing } in weighed {
                let id = match doing {
                    Doing::Nothing => {
                        imported.unchanged += 1;
                        continue;
                    }
                    Doing::AddNamed(name) => {
                        let (id, _) =
                            self.add_in(tx, &Content::Incomplete { name }, false, &SecretChange::Clear, &Client::Clear)?;
                        imported.added.push(id);
                        id
                    }
                    Doing::Add(checked, client) => {
                        let Checked { server, default, password, .. } = *checked;
                        let (id, _) = self.add_in(tx, &Content::Ready(Box::new(server)), default, &password, &client)?;
                        imported.added.push(id);
                        id
                    }
                    Doing::Save { id, old, has, checked, client } => {
                        self.save_in(tx, id, *old, has, &checked, &client)?;
                        imported.changed.push(id);
                        id
                    }
                };
                what.subjects.push(subject(id, item.name));
            }
            if !what.subjects.is_empty() {
                let (added, changed) = (imported.added.len(), imported.changed.len());
                what.detail = format!("{added} added, {changed} changed, {} unchanged.", imported.unchanged);
                self.note(tx, &what)?;
            }
            Ok(imported)
        })
    }
}

/// Looks at the servers of a file, or at those at the places `only`.
fn weigh(tx: &dyn Read, servers: &[ServerPatch], only: Option<&BTreeSet<usize>>, variables: &Variables) -> Result<Scales, Problem> {
    let (mut names, mut weighed) = (BTreeSet::new(), Vec::with_capacity(servers.len()));
    let (now, mut new_default, mut first_ready) = (tx.default()?, None, None);
    let mut more = 0;
    for (at, patch) in servers.iter().enumerate() {
        if only.is_some_and(|only| !only.contains(&at)) {
            continue;
        }
        let (name, found) = weigh_one(tx, patch, now, variables)?;
        let mut refused = match &found {
            Ok(_) => Vec::new(),
            Err(errors) => errors.iter().map(sentence).collect(),
        };
        if !name.is_empty() && !names.insert(name.to_lowercase()) {
            refused.push(words::IMPORT_TWICE.into());
        }
        if patch.default == Some(true) && new_default.is_some() {
            refused.push(words::IMPORT_DEFAULTS.into());
        }
        let item = |fate, needs_password| ImportItem { at, name: name.clone(), fate, needs_password };
        weighed.push(match found {
            Ok(One { fate, doing, needs_password }) if refused.is_empty() => {
                if matches!(doing, Doing::Add(..) | Doing::AddNamed(_)) {
                    more += 1;
                }
                if patch.default == Some(true) {
                    new_default = Some(name.clone());
                }
                if first_ready.is_none() && matches!(doing, Doing::Add(..) | Doing::Save { .. }) {
                    first_ready = Some(name.clone());
                }
                Weighed { item: item(fate, needs_password), doing }
            }
            _ => Weighed { item: item(ImportFate::Refused { sentences: refused }, false), doing: Doing::Nothing },
        });
    }
    check_room(tx, more)?;
    let default = match now {
        None => new_default.or(first_ready),
        Some(now) => {
            let now = record(tx, now)?.content.name().key();
            new_default.filter(|name| name.to_lowercase() != now)
        }
    };
    Ok(Scales { weighed, default })
}

/// What one server of a file comes to.
struct One {
    fate: ImportFate,
    doing: Doing,
    needs_password: bool,
}

/// Looks at one server, with its name as far as it has one.
fn weigh_one(
    tx: &dyn Read,
    patch: &ServerPatch,
    default: Option<EntryId>,
    variables: &Variables,
) -> Result<(String, Result<One, FieldErrors>), Problem> {
    let typed = patch.name.clone().unwrap_or_default();
    let shown = words::quote(typed.trim());
    let name = match Name::parse(&typed) {
        Ok(name) => name,
        Err(error) => return Ok((shown, Err(FieldErrors::one(Field::Name, error)))),
    };
    let name_text = name.to_string();
    let there = tx.id_of(&name.key())?.map(|id| Ok::<_, Problem>((id, record(tx, id)?))).transpose()?;
    let only_named = ServerPatch {
        name: patch.name.clone(),
        has_password: patch.has_password.clone(),
        has_client_certificate: patch.has_client_certificate.clone(),
        ..ServerPatch::default()
    } == *patch;
    let is_complete = there.as_ref().is_some_and(|(_, record)| record.content.server().is_some());
    if only_named && !is_complete {
        let (fate, doing) = match there {
            None => (ImportFate::Added, Doing::AddNamed(name)),
            Some(_) => (ImportFate::Unchanged, Doing::Nothing),
        };
        return Ok((name_text, Ok(One { fate, doing, needs_password: false })));
    }
    let (mut draft, had) = match &there {
        Some((id, record)) => {
            let had = has(tx, *id)?;
            let out = record.content.server().map(|server| ServerOut::of(server, default == Some(*id), had));
            (out.as_ref().map_or_else(|| ServerDraft::new(&typed), ServerDraft::of), had)
        }
        None => (ServerDraft::new(&typed), Has::default()),
    };
    draft.apply(patch);
    // It is handed over, never taken away.
    draft.default = patch.default == Some(true);
    let checked = check(&draft, patch, variables);
    let (mut checked, client) = match checked {
        Ok(checked) => checked,
        Err(errors) => return Ok((name_text, Err(errors))),
    };
    let stays = there
        .as_ref()
        .is_some_and(|(_, record)| record.content.server().is_some_and(|server| server.shares_password_with(&checked.server)));
    if checked.password == SecretChange::Keep && had.password && !stays {
        // A password is used only for the server and the account it was entered for.
        checked.password = SecretChange::Clear;
    }
    let has_password = match &checked.password {
        SecretChange::Set(secret) => !secret.is_empty(),
        SecretChange::Keep => had.password,
        SecretChange::Clear => false,
    };
    let needs_password = matches!(checked.server.sign_in, SignIn::Password { .. }) && !has_password;
    let one = match there {
        None => One { fate: ImportFate::Added, doing: Doing::Add(Box::new(checked), client), needs_password },
        Some((id, old)) => {
            let changes = all_changes(&old, had, &checked, &client, default == Some(id));
            let (fate, doing) = if changes.is_empty() {
                (ImportFate::Unchanged, Doing::Nothing)
            } else {
                let doing = Doing::Save { id, old: Box::new(old), has: had, checked: Box::new(checked), client };
                (ImportFate::Changed { changes }, doing)
            };
            One { fate, doing, needs_password }
        }
    };
    Ok((name_text, Ok(one)))
}

/// The entry that a draft of a file stands for, with its secrets, or all that is wrong with it.
fn check(draft: &ServerDraft, patch: &ServerPatch, variables: &Variables) -> Result<(Checked, Client), FieldErrors> {
    let variable = |name: &str| variables.get(name).cloned();
    let password = password_of(patch, variable);
    let client = client_certificate_of(patch, variable).and_then(|change| Ok((Client::of(&change)?, change)));
    match (password, client) {
        (Ok(password), Ok((client, client_certificate))) => Ok((Checked { client_certificate, ..draft.check(&password)? }, client)),
        (password, client) => {
            let mut errors = password.err().unwrap_or_default();
            errors.merge(client.err().unwrap_or_default());
            errors.merge(draft.check(&PasswordDraft::default()).err().unwrap_or_default());
            Err(errors)
        }
    }
}

/// What would be other than it is, the secrets and the default included.
fn all_changes(old: &Record, had: Has, checked: &Checked, client: &Client, is_default: bool) -> Vec<Change> {
    let mut all = changes(Some(&old.content), &Content::Ready(Box::new(checked.server.clone())));
    all.extend(secret_changes(had, &checked.server, &checked.password, client));
    if checked.default && !is_default {
        all.push(change(Field::Default, Some("false".into()), Some("true".into())));
    }
    all
}

/// What is wrong with a field, with its name.
fn sentence((field, error): (Field, &FieldError)) -> String {
    format!("{}: {}", words::label(field), words::field_error(field, error))
}
