//! Entries as a file: how it is written and read. What an import makes of it is the rules' affair (`entries::import`).

use std::collections::BTreeSet;
use std::fmt;

use domain::error::Problem;
use domain::exchange::ExportSecrets;
use domain::smtp_server::{SecretInput, ServerOut, ServerPatch};
use domain::words;
use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::entries::MAX_ENTRIES;

/// The most bytes of a file that a command on the machine takes in: as many servers as there can be.
pub const MAX_FILE_HERE: usize = 16 << 20;
/// What the variables of a file begin with. No others are read.
pub const VARIABLES: &str = "POSTROOM_SECRET_";
/// What kind of file it is.
const KIND: &str = "servers";
/// The version of what is written.
const VERSION: u64 = 1;

/// One server going out.
pub(crate) enum Portable {
    /// Only a name so far.
    Named(String),
    /// All of it.
    Whole(Box<ServerOut>),
}

/// A server in the file.
#[derive(Serialize)]
struct Written {
    #[serde(flatten)]
    server: ServerOut,
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<Variable>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_certificate: Option<Variable>,
}

#[derive(Serialize)]
struct Variable {
    env: String,
}

/// The file, a server a line.
///
/// # Errors
/// [`Problem::Internal`] where it can't be written: a mistake of ours.
pub(crate) fn write(servers: Vec<Portable>, secrets: ExportSecrets) -> Result<String, Problem> {
    let mut names = BTreeSet::new();
    let mut lines = Vec::with_capacity(servers.len());
    for server in servers {
        let line = match server {
            Portable::Named(name) => serde_json::to_string(&ServerPatch { name: Some(name), ..ServerPatch::default() }),
            Portable::Whole(server) => {
                let mut server = *server;
                // A tenant that is left out would keep the one that is there.
                if let Some(azure) = &mut server.azure_oauth {
                    azure.tenant.get_or_insert_default();
                }
                let mut variable = |has: bool, what: &str| {
                    let wanted = has && secrets == ExportSecrets::Env;
                    wanted.then(|| Variable { env: variable(&server.name, what, &mut names) })
                };
                let password = variable(server.has_password, "PASSWORD");
                let client_certificate = variable(server.has_client_certificate, "CLIENT_CERTIFICATE");
                serde_json::to_string(&Written { server, password, client_certificate })
            }
        };
        lines.push(line.map_err(|_| Problem::Internal)?);
    }
    Ok(format!("{{\"postroom\": \"{KIND}\", \"version\": {VERSION}, \"servers\": [\n{}\n]}}\n", lines.join(",\n")))
}

/// The name of a variable for a secret of an entry, which no other one has.
fn variable(name: &str, what: &str, taken: &mut BTreeSet<String>) -> String {
    let letter = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
    let name: String = name.chars().map(letter).collect();
    let mut variable = format!("{VARIABLES}{name}_{what}");
    let mut number = 1;
    while !taken.insert(variable.clone()) {
        number += 1;
        variable = format!("{VARIABLES}{name}_{number}_{what}");
    }
    variable
}

/// The servers in a file of at most `max` bytes: what [`write`] writes, an array of servers, or one of them.
///
/// # Errors
/// [`Problem::TooLarge`]; [`Problem::NotImportable`] where it can't be read, or something in it isn't known.
pub(crate) fn read(file: &[u8], max: usize) -> Result<Vec<ServerPatch>, Problem> {
    /// What a file says of itself.
    #[derive(Deserialize)]
    struct Peek {
        #[serde(default)]
        postroom: Option<String>,
        #[serde(default)]
        version: Option<u64>,
        #[serde(default)]
        servers: Option<serde::de::IgnoredAny>,
    }
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Envelope {
        #[serde(rename = "postroom")]
        _kind: serde::de::IgnoredAny,
        #[serde(rename = "version")]
        _version: serde::de::IgnoredAny,
        servers: Servers,
    }
    if file.len() > max {
        return Err(Problem::TooLarge { max: max as u64 });
    }
    let not_importable = |detail: &str| Problem::NotImportable { detail: detail.into() };
    let file = file.strip_prefix(b"\xef\xbb\xbf").unwrap_or(file).trim_ascii();
    let servers = match file.first() {
        None => return Err(not_importable(words::IMPORT_EMPTY)),
        Some(b'{') => {
            let peek: Peek = serde_json::from_slice(file).map_err(unread)?;
            if peek.postroom.is_none() && peek.servers.is_none() {
                vec![serde_json::from_slice(file).map_err(unread)?]
            } else if peek.postroom.as_deref() != Some(KIND) {
                return Err(not_importable(words::IMPORT_OTHER_KIND));
            } else if peek.version != Some(VERSION) {
                return Err(not_importable(words::IMPORT_OTHER_VERSION));
            } else {
                serde_json::from_slice::<Envelope>(file).map_err(unread)?.servers.0
            }
        }
        Some(_) => serde_json::from_slice::<Servers>(file).map_err(unread)?.0,
    };
    if servers.is_empty() { Err(not_importable(words::IMPORT_EMPTY)) } else { Ok(servers) }
}

/// Why a file can't be read, without the list of all there could have been.
fn unread(error: serde_json::Error) -> Problem {
    let text = error.to_string();
    let at = text.rfind(" at line ").unwrap_or(text.len());
    let why = text[..at].split(", expected one of").next().unwrap_or_default();
    let why = if error.is_data() { why.to_owned() } else { format!("it isn't JSON: {why}") };
    Problem::NotImportable { detail: format!("{}{}.", words::shown(&why, 200), &text[at..]) }
}

/// Refuses secrets and the names of variables with secrets: through the web neither comes in by a file.
///
/// # Errors
/// [`Problem::NotImportable`].
pub(crate) fn refuse_secrets(servers: &[ServerPatch]) -> Result<(), Problem> {
    let inputs = servers.iter().flat_map(|server| [&server.password, &server.client_certificate]).flatten().flatten();
    let mut variables = false;
    for input in inputs {
        match input {
            SecretInput::Value(_) => return Err(Problem::NotImportable { detail: words::IMPORT_HAS_SECRETS.into() }),
            SecretInput::Env(_) => variables = true,
        }
    }
    if variables { Err(Problem::NotImportable { detail: words::IMPORT_HAS_VARIABLES.into() }) } else { Ok(()) }
}

/// No more of them than there can be: what is read stays in proportion to the file.
struct Servers(Vec<ServerPatch>);

impl<'de> Deserialize<'de> for Servers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AtMost;

        impl<'de> Visitor<'de> for AtMost {
            type Value = Servers;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of servers")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Servers, A::Error> {
                let mut servers = Vec::new();
                while let Some(server) = seq.next_element()? {
                    if servers.len() as u64 == MAX_ENTRIES {
                        return Err(A::Error::custom(format!("there are more than {MAX_ENTRIES} servers in it")));
                    }
                    servers.push(server);
                }
                Ok(Servers(servers))
            }
        }

        deserializer.deserialize_seq(AtMost)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(file: &str) -> Vec<String> {
        read(file.as_bytes(), 1 << 20).unwrap().into_iter().map(|server| server.name.unwrap_or_default()).collect()
    }

    fn refused(file: &str) -> String {
        match read(file.as_bytes(), 1 << 20) {
            Err(Problem::NotImportable { detail }) => detail,
            other => panic!("{file}: {other:?}"),
        }
    }

    #[test]
    fn a_file_an_array_and_one_server_are_read() {
        assert_eq!(names(r#"{"postroom": "servers", "version": 1, "servers": [{"name": "a"}, {"name": "b"}]}"#), ["a", "b"]);
        assert_eq!(names(r#" [{"name": "a"}]"#), ["a"]);
        assert_eq!(names("\u{feff}{\"name\": \"a\", \"has_password\": true}"), ["a"]);
    }

    #[test]
    fn what_is_not_known_is_named() {
        for (file, said) in [
            ("", words::IMPORT_EMPTY),
            ("[]", words::IMPORT_EMPTY),
            (r#"{"postroom": "backup", "version": 1, "servers": []}"#, words::IMPORT_OTHER_KIND),
            (r#"{"servers": []}"#, words::IMPORT_OTHER_KIND),
            (r#"{"postroom": "servers", "version": 2, "servers": []}"#, words::IMPORT_OTHER_VERSION),
            (r#"{"postroom": "servers", "version": 1, "servers": [], "more": 1}"#, "unknown field `more`"),
            ("[\n{\"name\": \"a\", \"hots\": 1}]", "unknown field `hots` at line 2 column"),
            ("name: a", "it isn't JSON"),
            ("[[]]", "expected an object"),
            ("\u{1f}\u{202e}{}", "it isn't JSON"),
        ] {
            let detail = refused(file);
            assert!(detail.contains(said), "{file}: {detail}");
            assert!(detail.len() < 300 && !detail.contains("timeout_ms"), "{detail}");
        }
        let secret = refused(r#"[{"name": "a", "password": "canary"}]"#);
        assert!(!secret.contains("canary"), "{secret}");
        let many = format!("[{}]", vec!["{}"; 20_001].join(","));
        assert!(refused(&many).contains("more than 20000"));
        assert_eq!(read(b"[{}]", 3).unwrap_err(), Problem::TooLarge { max: 3 });
    }

    #[test]
    fn each_secret_has_a_variable_of_its_own() {
        let mut taken = BTreeSet::new();
        let mut of = |name: &str| variable(name, "PASSWORD", &mut taken);
        assert_eq!(of("mail"), "POSTROOM_SECRET_MAIL_PASSWORD");
        assert_eq!(of("a-b"), "POSTROOM_SECRET_A_B_PASSWORD");
        assert_eq!(of("a.b"), "POSTROOM_SECRET_A_B_2_PASSWORD");
        assert_eq!(of("a_b-2"), "POSTROOM_SECRET_A_B_2_2_PASSWORD");
    }

    #[test]
    fn secrets_and_their_variables_are_refused() {
        let of = |file: &str| refuse_secrets(&read(file.as_bytes(), 1 << 20).unwrap());
        assert_eq!(of(r#"[{"password": null}, {"has_password": true}]"#), Ok(()));
        let detail = |detail: &str| Err(Problem::NotImportable { detail: detail.into() });
        assert_eq!(of(r#"[{"password": {"env": "A"}}, {"password": {"value": "x"}}]"#), detail(words::IMPORT_HAS_SECRETS));
        assert_eq!(of(r#"[{"client_certificate": {"env": "A"}}]"#), detail(words::IMPORT_HAS_VARIABLES));
    }
}
