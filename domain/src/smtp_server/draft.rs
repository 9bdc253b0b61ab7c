//! What is typed into an entry's page, and the check that makes an [`SmtpServer`] of it or names every problem.

use serde::{Deserialize, Serialize};

use super::{
    Attachments, DEFAULT_LINK_DAYS, DEFAULT_THRESHOLD, DEFAULT_TIMEOUT_MS, Kind, LINK_DAYS_RANGE, MAX_PASSWORD,
    MAX_TEST_ATTACHMENT, MAX_TEST_RECIPIENTS, MAX_USERNAME, MinTls, Protocol, Sender, ServerOut, SignIn, SmtpServer, StartTls,
    TIMEOUT_RANGE_MS, TlsSettings,
};
use crate::address::{AddressList, Mailbox, Strictness};
use crate::diagnosis::Fix;
use crate::fax::{self, Country, FaxPrefix, FaxSettings, FaxTemplate, OwnTemplate};
use crate::field::{Field, FieldError, FieldErrors};
use crate::host::Host;
use crate::link::Language;
use crate::name::Name;
use crate::oauth::{self, Oauth, Provider, Strategy};
use crate::secret::{Secret, SecretChange};
use crate::size::Size;
use crate::words;

/// An entry as text, as it stands in the form. It holds no password: see [`PasswordDraft`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "a member a field of the page; `Field` says what each is")]
#[expect(clippy::struct_excessive_bools, reason = "they are the check boxes of the page")]
pub struct ServerDraft {
    pub name: String,
    pub kind: String,
    pub default: bool,
    pub protocol: String,
    pub host: String,
    pub port: String,
    pub timeout_ms: String,
    pub starttls: String,
    pub allow_plaintext_credentials: bool,
    pub username: String,
    pub azure_oauth: bool,
    pub azure_application_id: String,
    pub azure_tenant: String,
    pub azure_strategy: String,
    pub azure_secret_expires: String,
    pub azure_provider: String,
    pub azure_authority: String,
    pub azure_sign_in_url: String,
    pub azure_scope: String,
    pub azure_mailbox: String,
    pub fax_address: String,
    pub fax_domain: String,
    pub fax_template: String,
    pub fax_prefix: String,
    pub fax_country: String,
    pub sender: String,
    pub override_sender: bool,
    pub mime_address_strict: bool,
    pub attachment_as_url: bool,
    pub attachment_threshold: String,
    pub link_days: String,
    pub link_language: String,
    pub certificate_name: String,
    pub min_tls: String,
}

/// The password fields as typed. Never shown again, never sent back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PasswordDraft {
    /// "SMTP password".
    pub password: Secret,
    /// "Confirm SMTP password".
    pub confirm: Secret,
    /// "Remove password".
    pub remove: bool,
}

/// The addresses of a test as typed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestDraft {
    /// The sender; empty uses the entry's sender address.
    pub from: String,
    /// The recipients; of a fax server fax numbers, or addresses that are right already.
    pub to: String,
    /// The size of a file that goes with it; empty for none. Counts with a mail server: a test fax carries a document of its own.
    pub attachment: String,
    /// Whether nothing is sent: then the recipients may be missing.
    pub check_only: bool,
}

/// Who a test email is from and for.
#[derive(Clone, Debug, PartialEq)]
pub struct Envelope {
    /// The sender.
    pub from: Mailbox,
    /// The recipients, 1–[`MAX_TEST_RECIPIENTS`].
    pub to: Vec<Mailbox>,
    /// The size of a file that goes with it, at most [`MAX_TEST_ATTACHMENT`].
    pub attachment: Option<Size>,
}

/// How far a test goes.
#[derive(Clone, Debug, PartialEq)]
pub enum Mode {
    /// Nothing is sent. It ends after EHLO or the sign-in, or, with an envelope, after the recipients.
    Check(Option<Envelope>),
    /// The test message is sent.
    Send(Envelope),
    /// Only a look at the certificate: it ends after the handshake, and signs in nowhere.
    Inspect,
}

impl TestDraft {
    /// What is to be done, addresses and numbers read as `draft` reads them.
    ///
    /// # Errors
    /// The problems of these fields; and of those of `draft` that make an address of a fax number.
    pub fn check(&self, draft: &ServerDraft) -> Result<Mode, FieldErrors> {
        let mut errors = FieldErrors::default();
        if self.check_only && self.to.trim().is_empty() {
            return Ok(Mode::Check(None));
        }
        let from = if self.from.trim().is_empty() { &draft.sender } else { &self.from };
        let from = if from.trim().is_empty() { Err(FieldError::Required) } else { mailbox(from, draft.strictness()) };
        let from = errors.take(Field::TestFrom, from);
        let to = match draft.fax_settings() {
            Ok(fax) => errors.take(Field::TestTo, recipients(&self.to, draft.strictness(), fax.as_ref())),
            Err(more) => {
                errors.merge(more);
                None
            }
        };
        if self.check_only {
            return match (from, to) {
                (Some(from), Some(to)) => Ok(Mode::Check(Some(Envelope { from, to, attachment: None }))),
                _ => Err(errors),
            };
        }
        let size = if draft.applies(Field::TestAttachment) { self.attachment.as_str() } else { "" };
        let attachment = errors.take(Field::TestAttachment, attachment(size));
        match (from, to, attachment) {
            (Some(from), Some(to), Some(attachment)) => Ok(Mode::Send(Envelope { from, to, attachment })),
            _ => Err(errors),
        }
    }
}

fn attachment(text: &str) -> Result<Option<Size>, FieldError> {
    if text.trim().is_empty() {
        return Ok(None);
    }
    match Size::parse(text)? {
        size if size > MAX_TEST_ATTACHMENT => Err(FieldError::TestAttachmentTooBig { max: MAX_TEST_ATTACHMENT }),
        size => Ok(Some(size)),
    }
}

fn recipients(text: &str, strictness: Strictness, fax: Option<&FaxSettings>) -> Result<Vec<Mailbox>, FieldError> {
    let to = match fax {
        Some(fax) => fax::recipients(text, fax).map_err(FieldError::Fax)?,
        None if text.trim().is_empty() => return Err(FieldError::Required),
        None => AddressList::parse(text, strictness).map_err(FieldError::Address)?.mailboxes().cloned().collect(),
    };
    if to.iter().any(|mailbox| mailbox.addr().is_none()) {
        return Err(FieldError::AddressWithoutDomain);
    }
    match to.len() {
        0 => Err(FieldError::Required),
        count if count > MAX_TEST_RECIPIENTS => Err(FieldError::TooManyRecipients { count, max: MAX_TEST_RECIPIENTS }),
        _ => Ok(to),
    }
}

/// A draft without a mistake.
#[derive(Clone, Debug, PartialEq)]
pub struct Checked {
    /// The entry.
    pub server: SmtpServer,
    /// Whether it is to be the default.
    pub default: bool,
    /// What becomes of its password.
    pub password: SecretChange,
    /// What becomes of its client certificate, PEM with its key. A form leaves it as it is: it has a page of its own.
    pub client_certificate: SecretChange,
}

impl ServerDraft {
    /// The draft of an entry that has only a name: every other field has its default.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            kind: "smtp".into(),
            default: false,
            protocol: "smtp".into(),
            host: String::new(),
            port: "25".into(),
            timeout_ms: DEFAULT_TIMEOUT_MS.to_string(),
            starttls: "disabled".into(),
            allow_plaintext_credentials: false,
            username: String::new(),
            azure_oauth: false,
            azure_application_id: String::new(),
            azure_tenant: String::new(),
            azure_strategy: Strategy::default().key().into(),
            azure_secret_expires: String::new(),
            azure_provider: Provider::default().key().into(),
            azure_authority: String::new(),
            azure_sign_in_url: String::new(),
            azure_scope: String::new(),
            azure_mailbox: String::new(),
            fax_address: FaxTemplate::default().key().into(),
            fax_domain: String::new(),
            fax_template: String::new(),
            fax_prefix: String::new(),
            fax_country: String::new(),
            sender: String::new(),
            override_sender: false,
            mime_address_strict: true,
            attachment_as_url: false,
            attachment_threshold: DEFAULT_THRESHOLD.to_string(),
            link_days: DEFAULT_LINK_DAYS.to_string(),
            link_language: Language::default().key().into(),
            certificate_name: String::new(),
            min_tls: MinTls::default().key().into(),
        }
    }

    /// The draft that shows `server`.
    pub fn of(server: &ServerOut) -> Self {
        let enabled = server.azure_oauth.is_some();
        let azure = server.azure_oauth.clone().unwrap_or_default();
        Self {
            name: server.name.clone(),
            kind: server.kind.key().into(),
            default: server.default,
            protocol: server.protocol.clone(),
            host: server.host.clone(),
            port: server.port.to_string(),
            timeout_ms: server.timeout_ms.to_string(),
            starttls: server.starttls.unwrap_or_default().key().into(),
            allow_plaintext_credentials: server.allow_plaintext_credentials,
            username: server.username.clone(),
            azure_oauth: enabled,
            azure_application_id: azure.application_id,
            azure_tenant: azure.tenant.unwrap_or_default(),
            azure_strategy: azure.strategy.key().into(),
            azure_secret_expires: azure.secret_expires,
            azure_provider: azure.provider.key().into(),
            azure_authority: azure.authority,
            azure_sign_in_url: azure.sign_in_url,
            azure_scope: azure.scope,
            azure_mailbox: azure.mailbox,
            fax_address: server.fax_address.clone().unwrap_or_else(|| FaxTemplate::default().key().into()),
            fax_domain: server.fax_domain.clone().unwrap_or_default(),
            fax_template: server.fax_template.clone().unwrap_or_default(),
            fax_prefix: server.fax_prefix.clone().unwrap_or_default(),
            fax_country: server.fax_country.clone().unwrap_or_default(),
            sender: server.sender.clone(),
            override_sender: server.override_sender,
            mime_address_strict: server.mime_address_strict,
            attachment_as_url: server.attachment_as_url,
            attachment_threshold: Size::from_bytes(server.attachment_threshold_bytes).to_string(),
            link_days: server.link_days.to_string(),
            link_language: server.link_language.key().into(),
            certificate_name: server.certificate_name.clone(),
            min_tls: server.min_tls.key().into(),
        }
    }

    /// The text of a text field or choice; empty for check boxes and passwords.
    pub fn text(&self, field: Field) -> &str {
        self.text_ref(field).map_or("", String::as_str)
    }

    /// Sets the text of a text field or choice.
    pub fn set_text(&mut self, field: Field, text: String) {
        if let Some(slot) = self.text_mut(field) {
            *slot = text;
        }
    }

    /// Whether a check box is ticked.
    pub fn flag(&self, field: Field) -> bool {
        match field {
            Field::Default => self.default,
            Field::AllowPlaintextCredentials => self.allow_plaintext_credentials,
            Field::AzureOauth => self.azure_oauth,
            Field::OverrideSender => self.override_sender,
            Field::MimeAddressStrict => self.mime_address_strict,
            Field::AttachmentAsUrl => self.attachment_as_url,
            _ => false,
        }
    }

    /// Ticks or clears a check box.
    pub fn set_flag(&mut self, field: Field, on: bool) {
        match field {
            Field::Default => self.default = on,
            Field::AllowPlaintextCredentials => self.allow_plaintext_credentials = on,
            Field::AzureOauth => self.azure_oauth = on,
            Field::OverrideSender => self.override_sender = on,
            Field::MimeAddressStrict => self.mime_address_strict = on,
            Field::AttachmentAsUrl => self.attachment_as_url = on,
            _ => {}
        }
    }

    /// How many of the folded fields differ from their defaults.
    pub fn advanced_set(&self) -> usize {
        [
            self.azure_oauth,
            self.override_sender,
            self.link_days.trim() != DEFAULT_LINK_DAYS.to_string(),
            self.link_language != Language::default().key(),
            !self.certificate_name.trim().is_empty() && self.applies(Field::CertificateName),
            self.min_tls != MinTls::default().key() && self.applies(Field::MinTls),
        ]
        .into_iter()
        .filter(|set| *set)
        .count()
    }

    /// The field's value for people; `None` for one that an entry has no value of.
    pub fn shown(&self, field: Field) -> Option<String> {
        match field {
            Field::Default
            | Field::AllowPlaintextCredentials
            | Field::AzureOauth
            | Field::OverrideSender
            | Field::MimeAddressStrict
            | Field::AttachmentAsUrl => Some(if self.flag(field) { "Yes" } else { "No" }.into()),
            Field::Kind
            | Field::Protocol
            | Field::StartTls
            | Field::MinTls
            | Field::AzureStrategy
            | Field::AzureProvider
            | Field::FaxAddress
            | Field::LinkLanguage => Some(words::choice(field, self.text(field)).into()),
            _ => self.text_ref(field).map(|text| if text.is_empty() { "–".into() } else { text.clone() }),
        }
    }

    /// Whether the field means anything with what else is entered. What doesn't apply is not shown, not checked and not
    /// stored.
    pub fn applies(&self, field: Field) -> bool {
        let smtp = self.protocol != "smtps";
        match field {
            Field::StartTls => smtp,
            Field::AllowPlaintextCredentials => smtp && self.starttls != "enabled_and_required" && !self.username.trim().is_empty(),
            Field::AzureApplicationId | Field::AzureStrategy | Field::AzureProvider | Field::AzureAuthority | Field::AzureScope => {
                self.azure_oauth
            }
            Field::AzureTenant => self.azure_oauth && self.azure_provider == Provider::Microsoft.key(),
            Field::AzureSecretExpires => self.azure_oauth && self.may_have_client_secret(),
            Field::AzureSignInUrl => self.azure_oauth && self.azure_provider == Provider::Other.key() && self.needs_a_person(),
            Field::AzureMailbox => self.azure_oauth && !self.is_of_the_application(),
            Field::FaxAddress | Field::FaxCountry => self.is_fax(),
            Field::FaxTemplate => self.is_fax() && self.has_own_fax_template(),
            Field::FaxDomain | Field::FaxPrefix => self.is_fax() && !self.has_own_fax_template(),
            Field::TestAttachment => !self.is_fax(),
            Field::CertificateName | Field::MinTls => !smtp || self.starttls != "disabled",
            Field::ClientCertificate => {
                !smtp || self.starttls != "disabled" || self.azure_oauth && self.azure_strategy == Strategy::ClientCertificate.key()
            }
            _ => true,
        }
    }

    /// Whether a field of text or choice stands as in a new entry.
    pub fn is_usual(&self, field: Field) -> bool {
        self.text(field).trim() == Self::new("").text(field)
    }

    /// Whether it is a fax gateway.
    pub fn is_fax(&self) -> bool {
        self.kind == Kind::Fax.key()
    }

    fn has_own_fax_template(&self) -> bool {
        self.fax_address == "own"
    }

    fn strategy(&self) -> Option<Strategy> {
        choice(&self.azure_strategy, Strategy::CHOICES, &Strategy::ALL).ok()
    }

    fn needs_a_person(&self) -> bool {
        self.strategy().is_some_and(Strategy::needs_a_person)
    }

    fn is_of_the_application(&self) -> bool {
        self.strategy().is_some_and(Strategy::is_of_the_application)
    }

    /// Whether what stands as password is the secret of the application.
    pub fn may_have_client_secret(&self) -> bool {
        self.azure_oauth
            && self.strategy().is_some_and(|strategy| strategy == Strategy::ClientCredentials || strategy.needs_a_person())
    }

    /// Chooses a protocol; the port follows as long as it is the default of the one before.
    pub fn choose_protocol(&mut self, protocol: &str) {
        let default_port = |p: &str| if p == "smtps" { "465" } else { "25" };
        if self.port.trim().is_empty() || self.port.trim() == default_port(&self.protocol) {
            self.port = default_port(protocol).into();
        }
        self.protocol = protocol.into();
    }

    /// Makes the change that a diagnosis proposes, and says which fields it changed.
    pub fn apply_fix(&mut self, fix: &Fix) -> &'static [Field] {
        match fix {
            Fix::UseSmtps { port } => {
                self.protocol = "smtps".into();
                self.port = port.to_string();
                &[Field::Protocol, Field::Port]
            }
            Fix::UseStarttls { port } => {
                self.protocol = "smtp".into();
                self.port = port.to_string();
                self.starttls = StartTls::EnabledAndRequired.key().into();
                &[Field::Protocol, Field::Port, Field::StartTls]
            }
            Fix::RequireStarttls => {
                self.starttls = StartTls::EnabledAndRequired.key().into();
                &[Field::StartTls]
            }
            Fix::AllowPlaintextCredentials => {
                self.allow_plaintext_credentials = true;
                &[Field::AllowPlaintextCredentials]
            }
            Fix::UseHost { host } => {
                self.host.clone_from(host);
                &[Field::Host]
            }
            Fix::InspectCertificate => &[],
            Fix::AcceptTls12 => {
                self.min_tls = MinTls::Tls12.key().into();
                &[Field::MinTls]
            }
            Fix::RaiseTimeout { timeout_ms } => {
                self.timeout_ms = timeout_ms.to_string();
                &[Field::Timeout]
            }
        }
    }

    /// The fields that a server is found and connected to by.
    pub const LEADS_THERE: [Field; 7] =
        [Field::Protocol, Field::Host, Field::Port, Field::Timeout, Field::StartTls, Field::CertificateName, Field::MinTls];

    /// The draft with those fields alone. Whatever else is typed needn't be right yet to look at a server's certificate.
    #[must_use]
    pub fn only_what_leads_there(&self) -> Self {
        let mut draft = Self::new("inspected");
        for field in Self::LEADS_THERE {
            draft.set_text(field, self.text(field).to_owned());
        }
        draft
    }

    /// The entry this draft stands for, or every field's problem.
    ///
    /// # Errors
    /// All problems at once.
    pub fn check(&self, password: &PasswordDraft) -> Result<Checked, FieldErrors> {
        let mut errors = FieldErrors::default();
        let change = password.check(self, &mut errors);
        match self.check_without_password(&mut errors) {
            Some(server) => {
                errors.or(Checked { server, default: self.default, password: change, client_certificate: SecretChange::Keep })
            }
            None => Err(errors),
        }
    }

    fn check_without_password(&self, errors: &mut FieldErrors) -> Option<SmtpServer> {
        let name = errors.take(Field::Name, Name::parse(&self.name));
        let kind = errors.take(Field::Kind, choice(&self.kind, Kind::CHOICES, &[Kind::Smtp, Kind::Fax]));
        let fax = self.check_fax(errors);
        let protocol = self.check_protocol(errors);
        let host = errors.take(Field::Host, Host::parse(&self.host));
        let port = match (self.port.trim(), protocol) {
            ("", Some(protocol)) => Some(protocol.default_port()),
            _ => errors.take(Field::Port, number(&self.port, 1, u64::from(u16::MAX))).and_then(|n| u16::try_from(n).ok()),
        };
        let (min, max) = TIMEOUT_RANGE_MS;
        let timeout_ms =
            errors.take(Field::Timeout, number(&self.timeout_ms, min.into(), max.into())).and_then(|n| u32::try_from(n).ok());
        let tls = self.check_tls(errors);
        let sign_in = self.check_sign_in(errors);
        let sender = self.check_sender(errors);
        let threshold = errors.take(Field::AttachmentThreshold, Size::parse(&self.attachment_threshold));
        let (min, max) = LINK_DAYS_RANGE;
        let link_days =
            errors.take(Field::LinkDays, number(&self.link_days, min.into(), max.into())).and_then(|n| u16::try_from(n).ok());
        let link_language = errors.take(Field::LinkLanguage, choice(&self.link_language, Language::CHOICES, &Language::ALL));
        Some(SmtpServer {
            name: name?,
            kind: kind?,
            fax: fax?,
            protocol: protocol?,
            host: host?,
            port: port?,
            tls: tls?,
            timeout_ms: timeout_ms?,
            sign_in: sign_in?,
            sender: sender?,
            mime_address_strict: self.mime_address_strict,
            attachments: Attachments {
                as_url: self.attachment_as_url,
                threshold: threshold?,
                link_days: link_days?,
                link_language: link_language?,
            },
        })
    }

    /// What a fax gateway makes of numbers; nothing is set for a mail server.
    fn check_fax(&self, errors: &mut FieldErrors) -> Option<FaxSettings> {
        if !self.is_fax() {
            return Some(FaxSettings::default());
        }
        let usual = [Some(FaxTemplate::Rfc3192), Some(FaxTemplate::NumberAtDomain), None];
        let template = match errors.take(Field::FaxAddress, choice(&self.fax_address, FaxTemplate::CHOICES, &usual)) {
            None => None,
            Some(Some(usual)) => Some(usual),
            Some(None) => errors.take(Field::FaxTemplate, own_template(&self.fax_template)).map(FaxTemplate::Own),
        };
        let domain = self.if_applies(Field::FaxDomain, errors, |text| Host::parse(text).map(Some));
        let prefix = self.if_applies(Field::FaxPrefix, errors, |text| FaxPrefix::parse(text).map(Some).map_err(FieldError::Fax));
        let country = self.if_applies(Field::FaxCountry, errors, |text| Country::parse(text).map(Some).map_err(FieldError::Fax));
        let settings = FaxSettings { template: template?, domain: domain?, prefix: prefix?.unwrap_or_default(), country: country? };
        // The hostname stands in where there is no other domain, and is checked where it is entered.
        let settled = self.settle(settings.clone()).map_or(Ok(()), |settled| settled.check().map_err(FieldError::Fax));
        errors.take(Field::FaxDomain, settled).map(|()| settings)
    }

    /// With the hostname as the domain where no other is set; `None` where that is wrong.
    fn settle(&self, settings: FaxSettings) -> Option<FaxSettings> {
        if settings.domain.is_some() || settings.template.own().is_some() {
            return Some(settings);
        }
        Some(FaxSettings { domain: Some(Host::parse(&self.host).ok()?), ..settings })
    }

    /// What a fax gateway makes of numbers, as [`SmtpServer::fax_settings`] tells it of a valid entry; `None` for a mail server.
    ///
    /// # Errors
    /// The problems of the fields that matter to it.
    pub fn fax_settings(&self) -> Result<Option<FaxSettings>, FieldErrors> {
        let mut errors = FieldErrors::default();
        let settings = self.check_fax(&mut errors);
        let Some(settings) = settings.filter(|_| self.is_fax()) else { return errors.or(None) };
        match self.settle(settings) {
            Some(settled) => errors.or(Some(settled)),
            None => Err(Host::parse(&self.host).err().map_or(errors, |error| FieldErrors::one(Field::Host, error))),
        }
    }

    fn check_protocol(&self, errors: &mut FieldErrors) -> Option<Protocol> {
        if errors.take(Field::Protocol, choice(&self.protocol, Protocol::CHOICES, &[false, true]))? {
            return Some(Protocol::Smtps);
        }
        let modes = [StartTls::Disabled, StartTls::Enabled, StartTls::EnabledAndRequired];
        let starttls = errors.take(Field::StartTls, choice(&self.starttls, StartTls::CHOICES, &modes))?;
        Some(Protocol::Smtp {
            starttls,
            allow_plaintext_credentials: self.allow_plaintext_credentials && self.applies(Field::AllowPlaintextCredentials),
        })
    }

    fn check_tls(&self, errors: &mut FieldErrors) -> Option<TlsSettings> {
        if !self.applies(Field::CertificateName) {
            return Some(TlsSettings::default());
        }
        let name = self.certificate_name.trim();
        let name = if name.is_empty() { Ok(None) } else { Host::parse(name).map(Some) };
        let certificate_name = errors.take(Field::CertificateName, name);
        let versions = [MinTls::Tls12, MinTls::Tls13];
        let min = errors.take(Field::MinTls, choice(&self.min_tls, MinTls::CHOICES, &versions));
        Some(TlsSettings { certificate_name: certificate_name?, min: min? })
    }

    fn check_sign_in(&self, errors: &mut FieldErrors) -> Option<SignIn> {
        let username = self.username.trim();
        let username = errors.take(Field::Username, bounded(username, MAX_USERNAME).map(str::to_owned));
        if !self.azure_oauth {
            return username.map(|username| if username.is_empty() { SignIn::None } else { SignIn::Password { username } });
        }
        if username.as_deref() == Some("") {
            errors.add(Field::Username, FieldError::RequiredWith { other: Field::AzureOauth });
        }
        Some(SignIn::AzureOauth { username: username?, oauth: self.check_oauth(errors)? })
    }

    fn check_oauth(&self, errors: &mut FieldErrors) -> Option<Oauth> {
        let strategy = errors.take(Field::AzureStrategy, choice(&self.azure_strategy, Strategy::CHOICES, &Strategy::ALL));
        let provider = errors.take(Field::AzureProvider, choice(&self.azure_provider, Provider::CHOICES, &Provider::ALL));
        if let (Some(strategy), Some(provider)) = (strategy, provider)
            && !provider.allows(strategy)
        {
            errors.add(Field::AzureStrategy, FieldError::StrategyNotThere);
        }
        let application_id = errors.take(
            Field::AzureApplicationId,
            match self.azure_application_id.trim() {
                "" => Err(FieldError::RequiredWith { other: Field::AzureOauth }),
                text if provider.is_some_and(|provider| provider != Provider::Microsoft) => {
                    token(text, oauth::MAX_APPLICATION_ID).map(str::to_owned)
                }
                text if is_guid(text) => Ok(text.to_ascii_lowercase()),
                text => Err(FieldError::NotAGuid { text: words::quote(text) }),
            },
        );
        let tenant = self.if_applies(Field::AzureTenant, errors, tenant)?;
        let secret_expires = self.if_applies(Field::AzureSecretExpires, errors, |text| Ok(Some(date(text)?)))?;
        let authority = self.if_applies(Field::AzureAuthority, errors, |text| oauth::service_url(text).map(Some))?;
        let sign_in_url = self.if_applies(Field::AzureSignInUrl, errors, |text| oauth::service_url(text).map(Some))?;
        if provider == Some(Provider::Other) {
            for (field, there) in [(Field::AzureAuthority, authority.is_some()), (Field::AzureSignInUrl, sign_in_url.is_some())] {
                if !there && self.applies(field) {
                    errors.add(field, FieldError::RequiredWith { other: Field::AzureProvider });
                }
            }
        }
        let scope = self.if_applies(Field::AzureScope, errors, |text| scope(text).map(Some))?;
        let mailbox = self.if_applies(Field::AzureMailbox, errors, |text| {
            let mailbox = mailbox(text, self.strictness())?;
            Ok(mailbox.addr().map(ToString::to_string))
        })?;
        Some(Oauth {
            application_id: application_id?,
            tenant,
            strategy: strategy?,
            secret_expires,
            provider: provider?,
            authority,
            sign_in_url,
            scope,
            mailbox,
        })
    }

    /// What stands in a field that may be empty; nothing where it doesn't apply.
    #[expect(clippy::option_option, reason = "outside: is it right; inside: is there one")]
    fn if_applies<T>(
        &self,
        field: Field,
        errors: &mut FieldErrors,
        read: impl FnOnce(&str) -> Result<Option<T>, FieldError>,
    ) -> Option<Option<T>> {
        match self.text(field).trim() {
            text if text.is_empty() || !self.applies(field) => Some(None),
            text => errors.take(field, read(text)),
        }
    }

    #[expect(clippy::option_option, reason = "outside: is it right; inside: is there one")]
    fn check_sender(&self, errors: &mut FieldErrors) -> Option<Option<Sender>> {
        if self.sender.trim().is_empty() {
            if self.override_sender {
                errors.add(Field::Sender, FieldError::RequiredWith { other: Field::OverrideSender });
                return None;
            }
            return Some(None);
        }
        let mailbox = errors.take(Field::Sender, mailbox(&self.sender, self.strictness()))?;
        Some(Some(Sender { mailbox, overrides: self.override_sender }))
    }

    /// How the draft reads addresses.
    pub fn strictness(&self) -> Strictness {
        if self.mime_address_strict { Strictness::Strict } else { Strictness::Lenient }
    }

    fn text_ref(&self, field: Field) -> Option<&String> {
        Some(match field {
            Field::Name => &self.name,
            Field::Kind => &self.kind,
            Field::Protocol => &self.protocol,
            Field::Host => &self.host,
            Field::Port => &self.port,
            Field::Timeout => &self.timeout_ms,
            Field::StartTls => &self.starttls,
            Field::Username => &self.username,
            Field::AzureApplicationId => &self.azure_application_id,
            Field::AzureTenant => &self.azure_tenant,
            Field::AzureStrategy => &self.azure_strategy,
            Field::AzureSecretExpires => &self.azure_secret_expires,
            Field::AzureProvider => &self.azure_provider,
            Field::AzureAuthority => &self.azure_authority,
            Field::AzureSignInUrl => &self.azure_sign_in_url,
            Field::AzureScope => &self.azure_scope,
            Field::AzureMailbox => &self.azure_mailbox,
            Field::FaxAddress => &self.fax_address,
            Field::FaxDomain => &self.fax_domain,
            Field::FaxTemplate => &self.fax_template,
            Field::FaxPrefix => &self.fax_prefix,
            Field::FaxCountry => &self.fax_country,
            Field::Sender => &self.sender,
            Field::AttachmentThreshold => &self.attachment_threshold,
            Field::LinkDays => &self.link_days,
            Field::LinkLanguage => &self.link_language,
            Field::CertificateName => &self.certificate_name,
            Field::MinTls => &self.min_tls,
            _ => return None,
        })
    }

    fn text_mut(&mut self, field: Field) -> Option<&mut String> {
        Some(match field {
            Field::Name => &mut self.name,
            Field::Kind => &mut self.kind,
            Field::Protocol => &mut self.protocol,
            Field::Host => &mut self.host,
            Field::Port => &mut self.port,
            Field::Timeout => &mut self.timeout_ms,
            Field::StartTls => &mut self.starttls,
            Field::Username => &mut self.username,
            Field::AzureApplicationId => &mut self.azure_application_id,
            Field::AzureTenant => &mut self.azure_tenant,
            Field::AzureStrategy => &mut self.azure_strategy,
            Field::AzureSecretExpires => &mut self.azure_secret_expires,
            Field::AzureProvider => &mut self.azure_provider,
            Field::AzureAuthority => &mut self.azure_authority,
            Field::AzureSignInUrl => &mut self.azure_sign_in_url,
            Field::AzureScope => &mut self.azure_scope,
            Field::AzureMailbox => &mut self.azure_mailbox,
            Field::FaxAddress => &mut self.fax_address,
            Field::FaxDomain => &mut self.fax_domain,
            Field::FaxTemplate => &mut self.fax_template,
            Field::FaxPrefix => &mut self.fax_prefix,
            Field::FaxCountry => &mut self.fax_country,
            Field::Sender => &mut self.sender,
            Field::AttachmentThreshold => &mut self.attachment_threshold,
            Field::LinkDays => &mut self.link_days,
            Field::LinkLanguage => &mut self.link_language,
            Field::CertificateName => &mut self.certificate_name,
            Field::MinTls => &mut self.min_tls,
            _ => return None,
        })
    }
}

impl PasswordDraft {
    /// What the password fields ask for, beside `draft`.
    fn check(&self, draft: &ServerDraft, errors: &mut FieldErrors) -> SecretChange {
        let no_username = draft.username.trim().is_empty();
        if no_username && self.password.is_empty() && self.confirm.is_empty() {
            // Without an account no password is kept.
            return SecretChange::Clear;
        }
        if self.password.is_empty() && self.confirm.is_empty() {
            return if self.remove { SecretChange::Clear } else { SecretChange::Keep };
        }
        if let Err(error) = bounded(self.password.expose(), MAX_PASSWORD) {
            errors.add(Field::Password, error);
        } else if self.remove {
            errors.add(Field::Password, FieldError::PasswordSetAndRemoved);
        } else if no_username {
            errors.add(Field::Username, FieldError::PasswordWithoutUsername);
        }
        if self.password != self.confirm {
            errors.add(Field::PasswordConfirm, FieldError::PasswordsDiffer);
        }
        SecretChange::Set(self.password.clone())
    }
}

/// Exactly one address that can be used in a session: it has a domain.
pub(crate) fn mailbox(text: &str, strictness: Strictness) -> Result<Mailbox, FieldError> {
    let mailbox = Mailbox::parse(text, strictness).map_err(FieldError::Address)?;
    if mailbox.addr().is_none() { Err(FieldError::AddressWithoutDomain) } else { Ok(mailbox) }
}

/// A template that may not be missing.
fn own_template(text: &str) -> Result<OwnTemplate, FieldError> {
    if text.trim().is_empty() {
        return Err(FieldError::Required);
    }
    OwnTemplate::parse(text).map_err(FieldError::Fax)
}

fn choice<T: Clone>(value: &str, keys: &'static [&'static str], values: &[T]) -> Result<T, FieldError> {
    let found = keys.iter().position(|key| *key == value).and_then(|at| values.get(at));
    found.cloned().ok_or_else(|| FieldError::UnknownChoice { value: words::quote(value), choices: keys })
}

/// Text without control characters, of at most `max` characters.
fn bounded(text: &str, max: usize) -> Result<&str, FieldError> {
    let length = text.chars().count();
    if length > max {
        return Err(FieldError::TooLong { length, max });
    }
    text.chars().find(|c| c.is_control()).map_or(Ok(text), |character| Err(FieldError::Control { character }))
}

fn number(text: &str, min: u64, max: u64) -> Result<u64, FieldError> {
    let text = text.trim();
    if text.is_empty() {
        return Err(FieldError::Required);
    }
    let digits: String = text.chars().filter(|c| !matches!(c, ' ' | '\u{a0}' | '\u{202f}')).collect();
    let unsigned = digits.strip_prefix('-').unwrap_or(&digits);
    if unsigned.is_empty() || !unsigned.bytes().all(|b| b.is_ascii_digit()) {
        return Err(FieldError::NotANumber { text: words::quote(text) });
    }
    match digits.parse::<u64>() {
        Ok(number) if (min..=max).contains(&number) => Ok(number),
        _ => Err(FieldError::OutOfRange { text: words::quote(text), min, max }),
    }
}

/// Visible ASCII characters, at most `max`.
fn token(text: &str, max: usize) -> Result<&str, FieldError> {
    let text = bounded(text, max)?;
    let wrong = text.chars().find(|c| !c.is_ascii_graphic());
    wrong.map_or(Ok(text), |character| Err(FieldError::WrongCharacter { character }))
}

/// Words of a scope, one space between them (RFC 6749 section 3.3).
fn scope(text: &str) -> Result<String, FieldError> {
    let words: Vec<&str> = bounded(text, oauth::MAX_SCOPE)?.split_whitespace().collect();
    let wrong = words.iter().flat_map(|word| word.chars()).find(|c| !c.is_ascii_graphic() || matches!(c, '"' | '\\'));
    wrong.map_or_else(|| Ok(words.join(" ")), |character| Err(FieldError::WrongCharacter { character }))
}

/// A day as ISO 8601 writes it.
fn date(text: &str) -> Result<String, FieldError> {
    let parts: Vec<&str> = text.split('-').collect();
    let number = |at: usize, len: usize| -> Option<u32> {
        let part = parts.get(at).filter(|part| part.len() == len && part.bytes().all(|byte| byte.is_ascii_digit()))?;
        part.parse().ok()
    };
    match (parts.len(), number(0, 4), number(1, 2), number(2, 2)) {
        (3, Some(year), Some(month @ 1..=12), Some(day)) if (1..=days_of(year, month)).contains(&day) => Ok(text.to_owned()),
        _ => Err(FieldError::NotADate { text: words::quote(text) }),
    }
}

const fn days_of(year: u32, month: u32) -> u32 {
    match month {
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn is_guid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, b)| if matches!(at, 8 | 13 | 18 | 23) { b == b'-' } else { b.is_ascii_hexdigit() })
}

fn tenant(text: &str) -> Result<Option<String>, FieldError> {
    let lower = text.to_ascii_lowercase();
    match lower.as_str() {
        "" => Ok(None),
        "common" | "consumers" => Err(FieldError::SharedTenant { tenant: lower }),
        "organizations" => Ok(Some(lower)),
        _ if is_guid(&lower) => Ok(Some(lower)),
        _ => match Host::parse(&lower) {
            Ok(Host::Dns(domain)) if domain.contains('.') => Ok(Some(domain)),
            _ => Err(FieldError::NotATenant { text: words::quote(text) }),
        },
    }
}
