//! What the activity is told of changes to entries.

use domain::activity::{Change, Deed, Happening, Subject};
use domain::entry::{Content, EntryId};
use domain::error::Problem;
use domain::field::Field;
use domain::secret::SecretChange;
use domain::smtp_server::{Has, ServerOut, SmtpServer};

use super::secrets::Client;
use super::{Entries, record};
use crate::activity;
use crate::mailer::Mode;
use crate::store::Write;

/// An entry, as a line names it.
pub(super) fn server(id: EntryId, name: impl ToString) -> Subject {
    Subject { kind: "server".into(), id: Some(id.0), name: name.to_string() }
}

/// A field that has another value now.
pub(super) fn change(field: Field, old: Option<String>, new: Option<String>) -> Change {
    Change { field: field.key().into(), old, new, secret: false }
}

/// The fields of `new` that `old` had otherwise; all that say anything where there was nothing before.
pub(super) fn changes(old: Option<&Content>, new: &Content) -> Vec<Change> {
    let before = old.map(values).unwrap_or_default();
    let was = |field| before.iter().find(|(of, _)| *of == field).map(|(_, value)| value.clone());
    let changed = values(new).into_iter().filter_map(|(field, value)| match was(field) {
        Some(old) if old == value => None,
        None if value.is_empty() => None,
        old => Some(change(field, old, Some(value))),
    });
    changed.collect()
}

/// What is said of an entry's secrets: that they are others now, or gone. `had` is what there was.
pub(super) fn secret_changes(had: Has, server: &SmtpServer, password: &SecretChange, client: &Client) -> Vec<Change> {
    let signs_in = server.username().is_some();
    let password = match password {
        SecretChange::Set(secret) if signs_in && !secret.is_empty() => true,
        SecretChange::Keep if signs_in => false,
        _ => had.password,
    };
    let client = match client {
        Client::Set(_) if server.has_use_for_client_certificate() => true,
        Client::Keep if server.has_use_for_client_certificate() => false,
        _ => had.client_certificate,
    };
    let changed = [(password, Field::Password), (client, Field::ClientCertificate)];
    changed.into_iter().filter(|(changed, _)| *changed).map(|(_, field)| secret(field)).collect()
}

/// A secret that is another one now, or gone.
pub(super) fn secret(field: Field) -> Change {
    Change { field: field.key().into(), old: None, new: None, secret: true }
}

impl Entries {
    /// Tells that a test of `server` begins, with the settings of `id` or with what is typed.
    ///
    /// # Errors
    /// As the store: a test that nobody would know of isn't begun.
    pub(crate) fn tell_test(&self, id: Option<EntryId>, server: &SmtpServer, mode: &Mode) -> Result<(), Problem> {
        let (deed, envelope) = match mode {
            Mode::Send(envelope) => (Deed::TestSent, Some(envelope)),
            Mode::Check(envelope) => (Deed::ConnectionChecked, envelope.as_ref()),
            Mode::Inspect => (Deed::ConnectionChecked, None),
        };
        let mut what = self.by.did(deed);
        what.subjects.push(Subject { kind: "server".into(), id: id.map(|id| id.0), name: server.name.to_string() });
        what.detail = server.host.with_port(server.port);
        if let Some(envelope) = envelope {
            let to: Vec<String> = envelope.to.iter().filter_map(|mailbox| Some(mailbox.addr()?.to_string())).collect();
            what.detail = format!("{}, to {}", what.detail, to.join(", "));
        }
        self.activity().note(&what)
    }

    /// Tells of something that changes nothing.
    ///
    /// # Errors
    /// As the store.
    pub(crate) fn tell(&self, deed: Deed, detail: &str) -> Result<(), Problem> {
        self.activity().note(&Happening { detail: detail.into(), ..self.by.did(deed) })
    }

    /// Tells that the connections of `ids` are checked.
    ///
    /// # Errors
    /// As the store.
    pub(crate) fn tell_check_of(&self, ids: &[EntryId]) -> Result<(), Problem> {
        self.store.writing(|tx| {
            let mut what = self.by.did(Deed::AllChecked);
            for id in ids.iter().take(activity::MAX_NAMED) {
                what.subjects.extend(tx.entry(*id)?.map(|record| self::server(*id, record.content.name())));
            }
            what.detail = match ids.len() {
                1 => "1 server".into(),
                count => format!("{count} servers"),
            };
            Ok(self.note(tx, &what)?)
        })
    }
}

/// Makes an entry the default. The line tells of that, and names the one that was until then.
pub(super) fn hand_over(tx: &mut dyn Write, id: EntryId, what: &mut Happening) -> Result<(), Problem> {
    let before = tx.default()?;
    if before == Some(id) {
        return Ok(());
    }
    tx.set_default(Some(id))?;
    what.changes.push(change(Field::Default, Some("false".into()), Some("true".into())));
    if let Some(before) = before {
        let name = record(&*tx, before)?.content.name().to_string();
        what.detail = format!("The default server was {name}.");
        what.subjects.push(server(before, name));
    }
    Ok(())
}

/// Every field with its value, as JSON and forms write it.
fn values(content: &Content) -> Vec<(Field, String)> {
    let Content::Ready(server) = content else { return vec![(Field::Name, content.name().to_string())] };
    let out = ServerOut::of(server, false, Has::default());
    let azure = out.azure_oauth.as_ref();
    vec![
        (Field::Name, out.name),
        (Field::Kind, out.kind.key().into()),
        (Field::Protocol, out.protocol),
        (Field::Host, out.host),
        (Field::Port, out.port.to_string()),
        (Field::Timeout, out.timeout_ms.to_string()),
        (Field::StartTls, out.starttls.map(|starttls| starttls.key().to_owned()).unwrap_or_default()),
        (Field::AllowPlaintextCredentials, out.allow_plaintext_credentials.to_string()),
        (Field::Username, out.username),
        (Field::AzureOauth, azure.is_some().to_string()),
        (Field::AzureApplicationId, azure.map(|azure| azure.application_id.clone()).unwrap_or_default()),
        (Field::AzureTenant, azure.and_then(|azure| azure.tenant.clone()).unwrap_or_default()),
        (Field::AzureStrategy, azure.map(|azure| azure.strategy.key().to_owned()).unwrap_or_default()),
        (Field::AzureSecretExpires, azure.map(|azure| azure.secret_expires.clone()).unwrap_or_default()),
        (Field::AzureProvider, azure.map(|azure| azure.provider.key().to_owned()).unwrap_or_default()),
        (Field::AzureAuthority, azure.map(|azure| azure.authority.clone()).unwrap_or_default()),
        (Field::AzureSignInUrl, azure.map(|azure| azure.sign_in_url.clone()).unwrap_or_default()),
        (Field::AzureScope, azure.map(|azure| azure.scope.clone()).unwrap_or_default()),
        (Field::AzureMailbox, azure.map(|azure| azure.mailbox.clone()).unwrap_or_default()),
        (Field::FaxAddress, out.fax_address.unwrap_or_default()),
        (Field::FaxDomain, out.fax_domain.unwrap_or_default()),
        (Field::FaxTemplate, out.fax_template.unwrap_or_default()),
        (Field::FaxPrefix, out.fax_prefix.unwrap_or_default()),
        (Field::FaxCountry, out.fax_country.unwrap_or_default()),
        (Field::Sender, out.sender),
        (Field::OverrideSender, out.override_sender.to_string()),
        (Field::MimeAddressStrict, out.mime_address_strict.to_string()),
        (Field::AttachmentAsUrl, out.attachment_as_url.to_string()),
        (Field::AttachmentThreshold, out.attachment_threshold_bytes.to_string()),
        (Field::LinkDays, out.link_days.to_string()),
        (Field::LinkLanguage, out.link_language.key().into()),
        (Field::CertificateName, out.certificate_name),
        (Field::MinTls, out.min_tls.key().into()),
    ]
}
