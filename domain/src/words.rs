//! Every label, help and sentence about fields and problems, in one place. Nothing ever matches on them.

mod access;
mod submission;

use std::net::IpAddr;

use crate::certificate::{Certificate, Validity};
use crate::error::Problem;
use crate::fax::{self, Country, FaxExample};
use crate::field::{Field, FieldError, HostError};
use crate::host::Host;
use crate::oauth::{SignInNote, SignInState, SignInView};
use crate::run::{MAX_RUNS, Standing};
use crate::smtp_server::{ServerDraft, StartTls};
use crate::transcript::{Forbidden, Outcome, Security};
use crate::trust::Expiring;

pub use self::access::{access_error, deed, role, role_help, verb};
use self::access::{count, needed};

/// The label on the page.
pub const fn label(field: Field) -> &'static str {
    match field {
        Field::Name => "Name",
        Field::Kind => "Kind",
        Field::Default => "Default server",
        Field::Protocol => "Protocol",
        Field::Host => "SMTP hostname",
        Field::Port => "SMTP port",
        Field::Timeout => "Timeout",
        Field::StartTls => "StartTLS",
        Field::AllowPlaintextCredentials => "Allow credentials without encryption",
        Field::Username => "SMTP username",
        Field::Password => "SMTP password",
        Field::PasswordConfirm => "Confirm SMTP password",
        Field::AzureOauth => "Azure OAuth enabled",
        Field::AzureApplicationId => "Azure application id",
        Field::AzureTenant => "Azure tenant",
        Field::AzureStrategy => "Azure strategy",
        Field::AzureSecretExpires => "Client secret expires",
        Field::AzureProvider => "Sign-in service",
        Field::AzureAuthority => "Sign-in service address",
        Field::AzureSignInUrl => "Sign-in page address",
        Field::AzureScope => "Scope",
        Field::AzureMailbox => "Shared mailbox",
        Field::FaxAddress => "Fax address",
        Field::FaxDomain => "Fax domain",
        Field::FaxTemplate => "Own address",
        Field::FaxPrefix => "Fax prefix",
        Field::FaxCountry => "Country",
        Field::Sender => "Sender address",
        Field::OverrideSender => "Override BPM mail node sender address",
        Field::MimeAddressStrict => "MIME address strict",
        Field::AttachmentAsUrl => "Attachment as URL enabled",
        Field::AttachmentThreshold => "Max attachment threshold size",
        Field::LinkDays => "Links expire after",
        Field::LinkLanguage => "Language of links",
        Field::CertificateName => "Certificate name",
        Field::MinTls => "Minimum TLS version",
        Field::ClientCertificate => "Client certificate",
        Field::TestFrom => "From",
        Field::TestTo => "To",
        Field::TestAttachment => "Attach a file of",
        Field::NewDefault => "New default server",
    }
}

/// The label of the field with this key; the key itself where it is none of an entry.
pub fn key_label(key: &str) -> &str {
    match Field::ALL.into_iter().find(|field| field.key() == key) {
        Some(field) => label(field),
        None => key,
    }
}

/// What the field does, its unit, and when to change it: at most two short sentences.
pub const fn help(field: Field) -> &'static str {
    match field {
        Field::Name => "How applications refer to this server. Letters, digits, - _ and . (1 to 64).",
        Field::Kind => "Choose fax server for a gateway that turns mail into faxes.",
        Field::Default => "Used by every application that names no server. Exactly one server is the default.",
        Field::Protocol => "SMTPS encrypts from the first byte. SMTP starts in clear and can switch to encryption with StartTLS.",
        Field::Host => "The name or IP address of the mail server, such as smtp.example.com.",
        Field::Port => "25 between servers, 587 with StartTLS, 465 with SMTPS. Follows the protocol until you change it.",
        Field::Timeout => {
            "How long to wait for the connection and for each answer, in milliseconds. 10000 suits most servers; slow \
             greylisting gateways need 30000."
        }
        Field::StartTls => {
            "Enabled encrypts if the server offers it, and otherwise goes on in clear; Enabled and required never does. Only with SMTP."
        }
        Field::AllowPlaintextCredentials => {
            "Sends the password readable for anyone on the way when the connection isn't encrypted. Leave it off unless the \
             server is on your own network and can't encrypt."
        }
        Field::Username => "Empty means no sign-in. An account with two-factor sign-in needs an app password or Azure OAuth.",
        Field::Password => "Kept sealed and never shown again. Empty leaves it as it is.",
        Field::PasswordConfirm => "The same password once more.",
        Field::AzureOauth => "Signs in at Microsoft 365 with a token instead of a password.",
        Field::AzureStrategy => {
            "Only with Azure OAuth. Username and password can't pass multi-factor sign-in or Conditional Access; with an application, the SMTP password is its client secret."
        }
        Field::AzureSecretExpires => {
            "Only with a client secret. The day it ends, such as 2027-01-31; Postroom reminds you from 30 days before. Empty never does."
        }
        Field::AzureProvider => "Only with Azure OAuth. Who grants the tokens. Microsoft unless the mailbox is elsewhere.",
        Field::AzureAuthority => {
            "Only with Azure OAuth. Empty uses the provider's own; with another provider, the https:// address that grants tokens, such as https://sso.example.com/token."
        }
        Field::AzureSignInUrl => {
            "Only with another provider. Where people sign in, or where a device gets its code, such as https://sso.example.com/auth."
        }
        Field::AzureScope => "Only with Azure OAuth. What a token is asked for, words separated by spaces. Empty uses the usual.",
        Field::AzureMailbox => {
            "Only with Azure OAuth. The shared mailbox to send from, where another account signs in. Empty uses the username."
        }
        Field::AzureApplicationId => "Only with Azure OAuth. The “Application (client) ID” of the app registration in Entra.",
        Field::AzureTenant => {
            "Only with Azure OAuth. Tenant id, a verified domain, or organizations. Empty uses the username's domain."
        }
        Field::FaxAddress => "How the gateway wants a number as an address; its manual shows one. FAX=+number suits most.",
        Field::FaxDomain => "What stands after the @. Empty uses the SMTP hostname.",
        Field::FaxTemplate => {
            "Only with an own address. {number} stands for the digits, {e164} for them with the +, such as fax-{number}@fax.example.com."
        }
        Field::FaxPrefix => {
            "Digits dialled before the number, such as 0 for an outside line; they take the place of the +. Empty dials none."
        }
        Field::FaxCountry => {
            "Two letters, such as DE, to take national numbers of that country as well. Empty takes only those with +."
        }
        Field::Sender => "Used when a message names no sender, such as Scan <scan@example.com>.",
        Field::OverrideSender => "Messages from BPM mail nodes go out from the sender address above instead of the node's own.",
        Field::MimeAddressStrict => {
            "Reads addresses exactly as RFC 822 wants them. Off, it also takes slips that occur in real mail."
        }
        Field::AttachmentAsUrl => "Attachments that are too big together become download links. Off, such a message is refused.",
        Field::AttachmentThreshold => {
            "What all attachments of a message may have together, encoded. Type 10 MB or 512 KiB; 0 makes every attachment too big."
        }
        Field::LinkDays => "Only with attachments as URL. Days until a download link stops working, 1 to 365.",
        Field::LinkLanguage => "Only with attachments as URL. What recipients read in the message and on the page of a link.",
        Field::CertificateName => {
            "Only with encryption. The name in the server's certificate, where it differs from the hostname. Empty uses the hostname."
        }
        Field::MinTls => "Only with encryption. Older versions are refused. 1.2 suits most servers.",
        Field::ClientCertificate => {
            "Only with encryption, or with the strategy “Application (certificate)”. Shown to a server that asks who connects. Kept sealed, never shown again."
        }
        Field::TestFrom => "The sender of the test. Empty uses the sender address on this page.",
        Field::TestTo => "Who receives the test email; several addresses separated by commas.",
        Field::TestAttachment => "To see what becomes of attachments of this size, such as 12 MB. Empty attaches none.",
        Field::NewDefault => "The server that takes the default's place.",
    }
}

/// The words for a choice's value as forms and JSON write it.
pub fn choice(field: Field, value: &str) -> &'static str {
    match (field, value) {
        (Field::Kind, "smtp") => "SMTP server",
        (Field::Kind, "fax") => "Fax server",
        (Field::Protocol, "smtp") => "SMTP",
        (Field::Protocol, "smtps") => "SMTPS",
        (Field::AzureStrategy, "password") => "Username and password",
        (Field::AzureStrategy, "client_credentials") => "Application (client secret)",
        (Field::AzureStrategy, "client_certificate") => "Application (certificate)",
        (Field::AzureStrategy, "authorization_code") => "Sign in in the browser",
        (Field::AzureStrategy, "device_code") => "Device code",
        (Field::AzureProvider, "microsoft") => "Microsoft",
        (Field::AzureProvider, "google") => "Google",
        (Field::AzureProvider, "other") => "Another one",
        (Field::FaxAddress, "rfc3192") => "FAX=+number@domain (RFC 3192)",
        (Field::FaxAddress, "number_at_domain") => "number@domain",
        (Field::FaxAddress, "own") => "Own address",
        (Field::LinkLanguage, "en") => "English",
        (Field::LinkLanguage, "de") => "German",
        (Field::LinkLanguage, "it") => "Italian",
        (Field::MinTls, "1.2") => "TLS 1.2",
        (Field::MinTls, "1.3") => "TLS 1.3",
        (Field::StartTls, "disabled") => "Disabled",
        (Field::StartTls, "enabled") => "Enabled",
        (Field::StartTls, "enabled_and_required") => "Enabled and required",
        _ => "?",
    }
}

/// The security a list row shows: what the settings demand. Without a StartTLS mode it is SMTPS.
pub const fn security(starttls: Option<StartTls>) -> &'static str {
    match starttls {
        None => "TLS",
        Some(StartTls::EnabledAndRequired) => "TLS (StartTLS)",
        Some(StartTls::Enabled) => "TLS if offered",
        Some(StartTls::Disabled) => "unencrypted",
    }
}

/// The sentence under the name on an entry's page: what the settings mean together.
pub fn summary(draft: &ServerDraft) -> String {
    let host = draft.host.trim();
    if host.is_empty() {
        return "Not set up yet. Enter the SMTP hostname to begin.".into();
    }
    let encryption = match (draft.protocol.as_str(), draft.starttls.as_str()) {
        ("smtps", _) => "encrypted from the start",
        (_, "enabled_and_required") => "must be encrypted with StartTLS",
        (_, "enabled") => "encrypted with StartTLS if the server offers it",
        _ => "not encrypted",
    };
    let port = draft.port.trim();
    let target = match (Host::parse(host), port.parse()) {
        (Ok(host), Ok(port)) => host.with_port(port),
        _ => format!("{host}, port {port}"),
    };
    let sign_in = match draft.username.trim() {
        "" => "doesn't sign in".to_owned(),
        user if draft.azure_oauth => format!("signs in as {user} with Azure OAuth"),
        user => format!("signs in as {user}"),
    };
    format!("Connects to {target}, {encryption}, {sign_in}.")
}

/// A number and where a fax to it goes with what is entered; `None` for a mail server, and while something is wrong or missing.
pub fn fax_example(draft: &ServerDraft) -> Option<FaxExample> {
    draft.fax_settings().ok()??.example().ok()
}

/// Where a test fax goes: the address of what is entered as its recipient, or several. `None` for a mail server, and while
/// something is wrong, missing, or an address already.
pub fn fax_goes_to(draft: &ServerDraft, to: &str) -> Option<String> {
    let settings = draft.fax_settings().ok()??;
    let to: Vec<String> =
        if to.contains('@') { Vec::new() } else { fax::recipients(to, &settings).ok()?.iter().map(ToString::to_string).collect() };
    (!to.is_empty()).then(|| to.join(", "))
}

/// The calling code of the country that is entered: `= +49`. Empty while there is none.
pub fn calling_code(draft: &ServerDraft) -> String {
    Country::parse(&draft.fax_country).map_or_else(|_| String::new(), |country| format!("= +{}", country.calling_code()))
}

/// The label of a field, where it is another with what else is entered.
pub fn label_with(draft: &ServerDraft, field: Field) -> &'static str {
    if field == Field::TestTo && draft.is_fax() { "Fax number" } else { label(field) }
}

/// The help of a field, where it is another with what else is entered.
pub fn help_with(draft: &ServerDraft, field: Field) -> &'static str {
    match field {
        Field::TestTo if draft.is_fax() => {
            "Who receives the test fax, such as +49 30 123456; several separated by commas. It carries a page as PDF."
        }
        Field::TestAttachment if draft.is_fax() => "Only with a mail server: a test fax carries a page of its own.",
        _ => help(field),
    }
}

/// What to say beside the password of a mailbox whose provider takes none any more, or soon.
pub fn password_advice(draft: &ServerDraft) -> Option<&'static str> {
    let host = draft.host.trim().to_ascii_lowercase();
    let microsoft = ["office365.com", "outlook.com", "office365.us"]
        .iter()
        .any(|domain| host.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.')));
    (microsoft && !draft.azure_oauth && !draft.username.trim().is_empty()).then_some(
        "Microsoft takes no passwords here from the end of December 2026 on, and none at all in tenants made later. Use Azure OAuth, under “Advanced”.",
    )
}

/// What the password is where it isn't the mailbox's.
pub fn password_role(draft: &ServerDraft) -> Option<&'static str> {
    if !draft.azure_oauth {
        return None;
    }
    match draft.azure_strategy.as_str() {
        "client_credentials" => {
            Some("With this strategy the SMTP password is the application's client secret, not the mailbox's password.")
        }
        "client_certificate" => {
            Some("This strategy needs no password: the application shows its client certificate. Leave both empty.")
        }
        "authorization_code" | "device_code" => Some(
            "This strategy needs no password of the mailbox. If the application has a client secret, enter it as SMTP password; otherwise leave both empty.",
        ),
        _ => None,
    }
}

/// Text from outside for a sentence: at most 60 characters, controls and invisible characters made visible.
pub fn quote(text: &str) -> String {
    quote_up_to(text, 60)
}

fn quote_up_to(text: &str, max: usize) -> String {
    let mut out = String::new();
    for (at, c) in text.chars().enumerate() {
        if at == max {
            out.push('…');
            break;
        }
        if c.is_control() || is_invisible(c) {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    out
}

/// Zero-width and direction-changing characters: they would make a sentence or a line look like another.
pub const fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// A character, so that it can be seen.
pub(crate) fn named(c: char) -> String {
    match c {
        ' ' => "A space".into(),
        '\t' => "A tab".into(),
        '\r' | '\n' => "A line break".into(),
        c if c.is_control() || is_invisible(c) => format!("The invisible character U+{:04X}", u32::from(c)),
        c => format!("“{c}”"),
    }
}

/// What is wrong with a field and what to do.
pub fn field_error(field: Field, error: &FieldError) -> String {
    match error {
        FieldError::Required => required(field).into(),
        FieldError::TooLong { length, max } => format!("{length} characters are too many. Use at most {max}."),
        FieldError::Control { character } => {
            format!("{} can't stand here; it probably came along when copying. Type it again.", named(*character))
        }
        FieldError::UnknownChoice { value, choices } => {
            format!("“{value}” isn't one of the choices. Use {}.", choices.join(", "))
        }
        FieldError::NameCharacter { character } => {
            format!("{} can't stand in a name. Use letters, digits, - _ and .", named(*character))
        }
        FieldError::NameOnlyDots => "A name needs more than dots. Use letters, digits, - _ and .".into(),
        FieldError::NameTaken { name } => {
            format!("Another server is called {name} (upper and lower case count as the same). Choose another name.")
        }
        FieldError::Host(error) => host_error(error),
        FieldError::NotANumber { text } => format!("“{text}” isn't a whole number. Use digits only, such as {}.", example(field)),
        FieldError::OutOfRange { text, min, max } if field == Field::Port => {
            format!("Port {text} isn't possible ({min} to {max}). Use 25, 465 or 587, or what your provider names.")
        }
        FieldError::OutOfRange { text, min, max } => {
            format!("{text} isn't possible. Use {min} to {max}; {} suits most.", example(field))
        }
        FieldError::SizeNumber { text } => format!("“{text}” isn't a size. Type a number and a unit, such as 10 MB or 512 KiB."),
        FieldError::SizeUnit { unit } => format!("“{unit}” isn't a unit of size. Use bytes, KB, MB or GB."),
        FieldError::SizeTooLarge => "That is more than 1024 GB. No mail server takes so much; 10 MB suits most.".into(),
        FieldError::NotAGuid { text } => {
            format!(
                "“{text}” isn't an application id. It looks like 11111111-2222-3333-4444-555555555555; copy it from the app registration."
            )
        }
        FieldError::NotATenant { text } => {
            format!("“{text}” isn't a tenant. Use the tenant id, a domain such as example.com, or organizations.")
        }
        FieldError::SharedTenant { tenant } => {
            format!("“{tenant}” can't send mail for an organisation. Use the tenant id, your domain, or organizations.")
        }
        FieldError::NotAServiceUrl { text } => {
            format!("“{text}” isn't an address of a sign-in service. Use https://, a name and a path, such as https://sso.example.com/token.")
        }
        FieldError::NotADate { text } => format!("“{text}” isn't a day. Type year, month and day, such as 2027-01-31."),
        FieldError::WrongCharacter { character } => {
            format!("{} can't stand here; it probably came along when copying. Remove it.", named(*character))
        }
        FieldError::StrategyNotThere => {
            "Google grants tokens for mail only after somebody signed in in the browser. Choose “Sign in in the browser”.".into()
        }
        FieldError::PasswordsDiffer => "The two passwords differ. Type the same one in both fields.".into(),
        FieldError::PasswordWithoutUsername => "A password needs a username. Enter it, or leave both passwords empty.".into(),
        FieldError::PasswordSetAndRemoved => "Either remove the password or enter a new one, not both.".into(),
        FieldError::PasswordForOtherServer => {
            "The stored password belongs to another hostname, port, protocol, username or way to sign in and isn't used here. Enter it again."
                .into()
        }
        FieldError::PasswordVariable { name } => {
            let what = if field == Field::ClientCertificate { "certificate" } else { "password" };
            format!("The environment variable {name} isn't set or can't be used here. Set it, or give the {what} as a value.")
        }
        FieldError::RequiredWith { other } => format!("“{}” needs this. Fill it in, or switch that off.", label(*other)),
        FieldError::Address(error) => error.sentence(),
        FieldError::Fax(error) => error.sentence(),
        FieldError::AddressWithoutDomain => "The address has no domain. Add @ and the domain, such as @example.com.".into(),
        FieldError::TestAttachmentTooBig { max } => {
            format!("A test carries at most {max}. No mail server takes more; choose a smaller size.")
        }
        FieldError::TooManyRecipients { count, max } => format!("{count} recipients are too many for a test. Use at most {max}."),
        FieldError::LastDefault => {
            "One server must be the default. Open the one that is to take its place and tick it there.".into()
        }
        FieldError::ClientCertificate(error) => error.sentence(),
        FieldError::NotEncrypted => {
            "This only counts with encryption. Save the server with SMTPS, or with StartTLS enabled, then try again.".into()
        }
        FieldError::NotADefault => "This server can't be the default. Choose one that is set up and stays.".into(),
    }
}

const fn required(field: Field) -> &'static str {
    match field {
        Field::Name => "Enter a name, such as mail.",
        Field::Host => "Enter the name of the mail server, such as smtp.example.com.",
        Field::Port => "Enter the port: 25, 465 or 587, or what your provider names.",
        Field::Timeout => "Enter the time to wait, in milliseconds. 10000 suits most servers.",
        Field::FaxTemplate => {
            "Enter the gateway's address with {number} where the digits belong, such as fax-{number}@fax.example.com."
        }
        Field::AttachmentThreshold => "Enter a size, such as 10 MB.",
        Field::LinkDays => "Enter a number of days, such as 30.",
        Field::TestFrom => "Enter the sender, or give the server a sender address.",
        Field::TestTo => "Enter who is to receive the test email.",
        Field::NewDefault => "The default server is among those to trash. Choose the one that takes its place.",
        Field::Password => "No password is stored. Enter one, or leave the username empty to send without signing in.",
        _ => "Fill this in.",
    }
}

const fn example(field: Field) -> &'static str {
    match field {
        Field::Port => "25",
        Field::Timeout => "10000",
        _ => "30",
    }
}

fn host_error(error: &HostError) -> String {
    match error {
        HostError::UrlOrPort { host } if host.is_empty() => "Only the host name belongs here, such as smtp.example.com.".into(),
        HostError::UrlOrPort { host } => {
            format!("Only the host name belongs here: “{host}”. The port has its own field.")
        }
        HostError::Address => "This is a mail address. Enter the name of the mail server, such as smtp.example.com.".into(),
        HostError::NotAnIpv4 { text } => {
            format!("“{text}” isn't an IP address. It has four numbers from 0 to 255, such as 192.0.2.25.")
        }
        HostError::NotAnIpv6 { text } => format!("“{text}” isn't an IPv6 address. It looks like 2001:db8::25."),
        HostError::Name(error) => format!("{error}."),
    }
}

/// That a name leads to addresses that were left out, as a sentence of a transcript.
pub fn addresses_left_out(left_out: &[(IpAddr, Forbidden)]) -> String {
    format!("Postroom doesn't connect to {}.", forbidden_addresses(left_out))
}

/// Addresses and why they are not connected to: `169.254.0.1 (link-local), …`.
pub fn forbidden_addresses(forbidden: &[(IpAddr, Forbidden)]) -> String {
    forbidden.iter().map(|(ip, why)| format!("{ip} ({})", why.words())).collect::<Vec<_>>().join(", ")
}

/// What to know of a connection that was there before its message.
pub fn kept_connection(security: Security) -> String {
    format!("a connection that was kept, {}", security.words())
}

/// A kept connection was closed before anything of a message was said on it.
pub const CONNECTION_WAS_CLOSED: &str =
    "The server had closed the connection that was kept. Nothing was handed over on it, and another one is opened.";

/// The server doesn't take another connection now.
pub const ENOUGH_CONNECTIONS: &str =
    "The server takes no further connection now. The message waits for one that is open, and no more are opened for a while.";

/// What happened, what was not done, and what to do.
pub fn problem(problem: &Problem) -> String {
    match problem {
        Problem::Invalid(fields) => match fields.iter().count() {
            1 => "Nothing was done: one field needs a change.".into(),
            n => format!("Nothing was done: {n} fields need a change."),
        },
        Problem::Malformed { detail } => format!("The request can't be read, so nothing was done: {}.", quote_long(detail)),
        Problem::TooLarge { max } => format!("The request is larger than {max} bytes, so nothing was done. Shorten it."),
        Problem::TooSlow => "The request took too long to arrive, so nothing was done. Try again.".into(),
        Problem::NoSuchEntry(id) => {
            format!("There is no server with the number {id}; it may have been trashed. Go back to the list.")
        }
        Problem::NoSuchRun(run) => {
            format!("There is no test with the number {run} any more: only the last {MAX_RUNS} of each server are kept.")
        }
        Problem::NoSuchPage => "There is nothing at this address. Go back to the list.".into(),
        Problem::WrongMethod { allowed } => format!("This address takes {allowed} only, so nothing was done."),
        Problem::NothingChosen => "No server was chosen, so nothing was done. Tick at least one.".into(),
        Problem::Stale(_) => {
            "Not saved: somebody else saved this server after you opened it. Compare the two versions, then choose.".into()
        }
        Problem::UndoGone => "Too late to undo: it was undone already, or its 10 seconds are over. Look at the list.".into(),
        Problem::UndoNameTaken { name } => {
            format!("Nothing was restored: another server has been given the name {name} since. Rename that one, then undo again.")
        }
        Problem::TooManyEntries { max } => format!("Not added: there are {max} servers already. Trash some first."),
        Problem::NoSuchCertificate(id) => {
            format!("There is no trusted certificate with the number {id}; it may have been trashed. Go back to the certificates.")
        }
        Problem::NotImported(error) => error.sentence(),
        Problem::NoCertificateChosen => "No certificate was chosen, so nothing was done. Tick at least one.".into(),
        Problem::TooManyCertificates { max } => {
            format!("Not added: there can be {max} trusted certificates. Trash some that aren't needed first.")
        }
        Problem::NotOneCertificate => "Not trusted: exactly one certificate is needed, as PEM. Inspect the server again.".into(),
        Problem::NotTrustable(fate) => format!("Nothing was added. {}.", fate.words()),
        Problem::NotSignedIn => "Nothing was done: nobody is signed in, or the session has ended. Sign in, then try again.".into(),
        Problem::SignInRefused => {
            "Not signed in: the name, the password or the code is wrong. Try again; an administrator can make a new link for you.".into()
        }
        Problem::WaitBefore { seconds } => {
            format!("Too many attempts failed, so this one wasn't looked at. Wait {}, then try again.", count(*seconds, "second"))
        }
        Problem::Busy => "Too much is asked for at once, so nothing was done. Try again in a few seconds.".into(),
        Problem::NotAllowed { act } => format!("Nothing was done: this takes {}. Ask an administrator.", needed(*act)),
        Problem::ConfirmPassword => {
            "Nothing was done: your password was last typed more than 10 minutes ago. Type it again, then go on.".into()
        }
        Problem::SignInFailed(diagnosis) => diagnosis.title.clone(),
        Problem::SignInGone => {
            "Not signed in: this sign-in was begun in another browser, is older than 10 minutes, or was finished already. Begin it again from the server's page."
                .into()
        }
        Problem::LinkGone => {
            "This link can't be used any more: it was used, is too old, or there is a newer one. Ask for a new one.".into()
        }
        Problem::CodeWrong => "The code is wrong. Check the time of your phone, then type the code it shows now.".into(),
        Problem::InvalidAccess(fields) => match fields.len() {
            1 => "Nothing was done: one field needs a change.".into(),
            n => format!("Nothing was done: {n} fields need a change."),
        },
        Problem::LastAdministrator => {
            "Nothing was done: this is the last administrator, and nobody could look after Postroom any more. Add another one first."
                .into()
        }
        Problem::NoSuchAccess => "It isn't there any more, so nothing was done. Look at the page again.".into(),
        Problem::TooManyAccess { max } => format!("Not added: there can be {max}. Remove some first."),
        Problem::InvalidSubmission(fields) => submission::wrong(fields),
        Problem::NoSuchMessage(id) => {
            format!("There is no message with the number {id} any more: messages are remembered for a while only.")
        }
        Problem::NoSuchLink(id) => format!("There is no link with the number {id} any more: it has ended, and its file is removed."),
        Problem::NoRoom { quota } => submission::no_room(*quota),
        Problem::NotImportable { detail } => format!("Nothing was imported: {detail}"),
        Problem::CrossOrigin => {
            "Refused: the request came from another site, so nothing was done. Open Postroom itself and try there.".into()
        }
        Problem::NotThroughProxy => {
            "Refused: this came unencrypted and not through a proxy named with --trusted-proxy, so nothing was done. Use the public address."
                .into()
        }
        Problem::WrongHost { host } => {
            format!("Refused: this is not served as “{host}”. Open it under its own address, or start it with --public-url.")
        }
        Problem::DiskFull => {
            "Not saved: the disk is full. What was stored before is intact. Free some space, then try again.".into()
        }
        Problem::Disk { detail } => {
            format!("Not saved: the disk reported an error ({}). What was stored before is intact.", quote_long(detail))
        }
        Problem::OutcomeUnknown { detail } => {
            format!(
                "The disk failed while this was being saved ({}), and nobody can tell yet whether it was. Look again when the disk works.",
                quote_long(detail)
            )
        }
        Problem::Corrupt { detail } => format!("A stored record can't be read ({}). Restore the back-up.", quote_long(detail)),
        Problem::Internal => "Something went wrong inside; nothing was saved. The log says more.".into(),
    }
}

/// Like [`quote`], for details of up to 200 characters.
fn quote_long(text: &str) -> String {
    quote_up_to(text, 200)
}

/// A time in words: `10 seconds`, `1.5 seconds`, `2 minutes`.
pub fn seconds(ms: u32) -> String {
    match ms {
        1000 => "= 1 second".into(),
        ms if ms % 60_000 == 0 && ms > 60_000 => format!("= {} minutes", ms / 60_000),
        ms if ms % 1000 == 0 => format!("= {} seconds", ms / 1000),
        ms => {
            let tenths = format!("{:03}", ms % 1000);
            format!("= {}.{} seconds", ms / 1000, tenths.trim_end_matches('0'))
        }
    }
}

/// `1 day`, `30 days`.
pub fn days(days: u16) -> String {
    count(days.into(), "day")
}

/// A size as people say it, rounded: `900 bytes`, `1.4 MB`.
pub fn rough(size: crate::size::Size) -> String {
    let bytes = size.bytes();
    for (shift, unit) in [(30, "GB"), (20, "MB"), (10, "KB")] {
        if bytes >> shift > 0 {
            let whole = bytes >> shift;
            let tenths = ((bytes - (whole << shift)) * 10) >> shift;
            return if whole >= 10 || tenths == 0 {
                format!("{} {unit}", grouped(whole))
            } else {
                format!("{whole}.{tenths} {unit}")
            };
        }
    }
    count(bytes, "byte")
}

/// A size in bytes, grouped by thin spaces.
pub fn bytes(size: crate::size::Size) -> String {
    format!("= {} bytes", grouped(size.bytes()))
}

/// A number in groups of three digits, with narrow no-break spaces between.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push('\u{202f}');
        }
        out.push(digit);
    }
    out
}

/// How long ago something was, in words: `just now`, `5 minutes ago`, `3 days ago`. What lies ahead, because a clock was set
/// back, was just now. Both in milliseconds since 1970.
pub fn ago(now_ms: u64, at_ms: u64) -> String {
    let minutes = now_ms.saturating_sub(at_ms) / 60_000;
    let (count, unit) = match minutes {
        0 => return "just now".into(),
        1..60 => (minutes, "minute"),
        60..1440 => (minutes / 60, "hour"),
        _ => (minutes / 1440, "day"),
    };
    let s = if count == 1 { "" } else { "s" };
    format!("{count} {unit}{s} ago")
}

/// The minute in UTC, such as `2026-11-23 09:12 UTC`; from milliseconds since 1970.
pub fn utc(at_ms: u64) -> String {
    let Calendar { year, month, day, hour, minute } = calendar(at_ms);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02} UTC")
}

/// A minute of the calendar, in UTC.
pub(crate) struct Calendar {
    pub(crate) year: u64,
    /// From 1 on.
    pub(crate) month: u64,
    /// From 1 on.
    pub(crate) day: u64,
    pub(crate) hour: u64,
    pub(crate) minute: u64,
}

/// The minute of an instant; from milliseconds since 1970.
pub(crate) fn calendar(at_ms: u64) -> Calendar {
    let minutes = at_ms / 60_000;
    let (days, hour, minute) = (minutes / 1440, minutes / 60 % 24, minutes % 60);
    // The calendar repeats every 400 years; counted from 1 March of the year 0, leap days come last in their year.
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    Calendar { year: era * 400 + year_of_era + u64::from(month <= 2), month, day, hour, minute }
}

/// What the dates of a certificate mean now, in a few words: `expires in 40 days`, `expired yesterday`. In milliseconds since
/// 1970.
pub fn validity(certificate: &Certificate, now_ms: u64) -> String {
    const DAYS_A_YEAR: u64 = 365;
    match certificate.validity(now_ms) {
        Validity::NotYet { .. } => format!("not valid yet: from {}", certificate.not_before.split('T').next().unwrap_or_default()),
        // RFC 5280 section 4.1.2.5: what has no end is said so.
        Validity::Valid { .. } if certificate.not_after == "9999-12-31T23:59:59Z" => "never expires".into(),
        Validity::Valid { days_left: 0 } => "expires today".into(),
        Validity::Valid { days_left: 1 } => "expires tomorrow".into(),
        Validity::Valid { days_left } if days_left < 2 * DAYS_A_YEAR => format!("expires in {days_left} days"),
        Validity::Valid { days_left } => format!("expires in {} years", days_left / DAYS_A_YEAR),
        Validity::Expired { days_ago: 0 } => "expired today".into(),
        Validity::Expired { days_ago: 1 } => "expired yesterday".into(),
        Validity::Expired { days_ago } if days_ago < 2 * DAYS_A_YEAR => format!("expired {days_ago} days ago"),
        Validity::Expired { days_ago } => format!("expired {} years ago", days_ago / DAYS_A_YEAR),
        Validity::Unknown => "its dates can't be read".into(),
    }
}

/// What the tests say of an entry, in a few words. The reason of a failure stands beside it.
pub fn standing(standing: &Standing, now_ms: u64) -> String {
    match standing {
        Standing::Never => "Not verified yet".into(),
        Standing::Changed => "Not verified since the last change".into(),
        Standing::Verified { at_ms } => format!("Verified {}", ago(now_ms, *at_ms)),
        Standing::Failing { since_ms, .. } => format!("Failing since {}", since(*since_ms, now_ms)),
    }
}

/// The minute of today, or the day.
fn since(at_ms: u64, now_ms: u64) -> String {
    let at = utc(at_ms);
    let (date, time) = at.split_once(' ').unwrap_or((&at, ""));
    if utc(now_ms).starts_with(date) { time.into() } else { date.into() }
}

/// How a sign-in at a sign-in service stands, in a few words.
pub fn sign_in(view: &SignInView, now_ms: u64) -> String {
    let note = view.note.as_ref();
    let renewed = || note.and_then(|note| note.renewed_ms).map(|at_ms| ago(now_ms, at_ms)).unwrap_or_default();
    match (view.state(), note) {
        (SignInState::Failing, Some(SignInNote { failing: Some(failing), .. })) => {
            format!("Sign-in failing since {}", since(failing.since_ms, now_ms))
        }
        (SignInState::Missing, _) => "Not signed in".into(),
        (SignInState::Works, Some(SignInNote { account: Some(account), .. })) if view.needs_a_person => {
            format!("Signed in as {}", quote(account))
        }
        (SignInState::Works, _) if view.needs_a_person => "Signed in".into(),
        (SignInState::Works, _) => format!("Access token granted {}", renewed()),
        _ => "No access token asked for yet".into(),
    }
}

/// What is left of a time, roughly: `14 minutes`, `40 seconds`. In milliseconds.
pub fn left(ms: u64) -> String {
    match ms / 1000 {
        0..60 => format!("{} s", ms / 1000),
        60 => "1 minute".into(),
        // Rather too long than that a whole minute is missing from the beginning.
        61..7200 => format!("{} minutes", ms.div_ceil(60_000)),
        _ => format!("{} hours", ms / 3_600_000),
    }
}

/// That neither a file was given nor anything pasted.
pub const NO_FILE: &str = "Choose a file, or paste PEM below.";
/// That both were: which one is meant?
pub const FILE_AND_PASTE: &str = "Either choose a file or paste PEM, not both.";

/// That neither a file of servers was given nor anything pasted.
pub const NO_SERVER_FILE: &str = "Choose a file, or paste its text below.";
/// That both were: which one is meant?
pub const SERVER_FILE_AND_PASTE: &str = "Either choose a file or paste its text, not both.";

/// `Imported: 2 servers added, 1 changed.`
pub fn servers_imported(added: u64, changed: u64) -> String {
    match (added, changed) {
        (0, 0) => "Nothing to import: all of them were like this already.".into(),
        (added, 0) => format!("Imported: {} added.", count(added, "server")),
        (0, changed) => format!("Imported: {} changed.", count(changed, "server")),
        (added, changed) => format!("Imported: {} added, {} changed.", count(added, "server"), grouped(changed)),
    }
}

/// That there is nothing in a file of servers.
pub const IMPORT_EMPTY: &str = "there are no servers in the file. Choose one that Postroom exported.";
/// That a file is of another kind.
pub const IMPORT_OTHER_KIND: &str = "the file doesn't say \"postroom\": \"servers\". Choose one that Postroom exported.";
/// That a file is newer than the program.
pub const IMPORT_OTHER_VERSION: &str =
    "the file is of another version than 1, which is all that this Postroom reads. Use a newer one.";
/// That secrets came in by the web.
pub const IMPORT_HAS_SECRETS: &str = "there are passwords or keys in the file, and none are taken from one here. Leave them out and enter \
    them on the servers' pages, or use postroom import on the machine.";
/// That names of variables came in by the web.
pub const IMPORT_HAS_VARIABLES: &str = "the file takes secrets from environment variables, and only postroom import on the machine reads \
    those. Leave them out here.";
/// That a server of a file has the name of one before it.
pub const IMPORT_TWICE: &str =
    "The file has another server of this name above (upper and lower case count as the same). Keep one of them.";
/// That a file makes several servers the default.
pub const IMPORT_DEFAULTS: &str =
    "The file makes a server above the default as well. Only one can be; set “default” to false here.";

/// Whether something that came from a file can be taken in, in words for the name of the server.
pub fn not_importable(name: &str, sentences: &[String]) -> String {
    format!("“{}”: {}", quote(name), sentences.join(" "))
}

/// Text from outside for a sentence: at most `max` characters, controls and invisible characters made visible.
pub fn shown(text: &str, max: usize) -> String {
    quote_up_to(text, max)
}

/// `3 authorities added.`
pub fn authorities_added(count: u64) -> String {
    match count {
        0 => "Nothing was added: all of it was trusted already.".into(),
        1 => "1 authority added.".into(),
        n => format!("{} authorities added.", grouped(n)),
    }
}

/// As [`problem`] says it of [`Problem::Stale`], where there is nothing to compare.
pub const STALE_CERTIFICATE: &str =
    "Nothing was done: somebody else saved this server after you opened this page. Look at what is stored now, then try again.";

/// That a certificate an entry needs ends soon, or has ended: `The client certificate CN=postroom expires in 12 days`.
pub fn expiring(expiring: &Expiring, now_ms: u64) -> String {
    let Expiring { role, subject, not_after } = expiring;
    // When it began doesn't matter any more.
    let dates = Certificate { not_before: "1970-01-01T00:00:00Z".into(), not_after: not_after.clone(), ..Certificate::default() };
    let words = [role.words(), subject, &validity(&dates, now_ms)];
    words.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}

/// How a run ended, in a word.
pub const fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Sent => "Sent",
        Outcome::Checked => "Works",
        Outcome::Failed => "Failed",
        Outcome::Unknown => "Unknown",
        Outcome::Cancelled => "Cancelled",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_standing_is_told_with_its_time() {
        const NOW: u64 = 1_795_425_120_000;
        let failing = |since_ms| Standing::Failing { since_ms, reason: "r".into(), stage: crate::transcript::Stage::Auth };
        assert_eq!(standing(&Standing::Verified { at_ms: NOW - 7_200_000 }, NOW), "Verified 2 hours ago");
        assert_eq!(standing(&failing(NOW), NOW), "Failing since 09:12 UTC");
        assert_eq!(standing(&failing(NOW - 3 * 86_400_000), NOW), "Failing since 2026-11-20");
        assert_eq!(standing(&Standing::Changed, NOW), "Not verified since the last change");
    }

    #[test]
    fn a_size_is_told_as_people_say_it() {
        for (bytes, told) in [
            (0, "0 bytes"),
            (1, "1 byte"),
            (1_023, "1\u{202f}023 bytes"),
            (1_024, "1 KB"),
            (1_536, "1.5 KB"),
            (10_700, "10 KB"),
            (1_500_000, "1.4 MB"),
            (10 << 20, "10 MB"),
            (u64::MAX, "17\u{202f}179\u{202f}869\u{202f}183 GB"),
        ] {
            assert_eq!(rough(crate::size::Size::from_bytes(bytes)), told);
        }
    }

    #[test]
    fn what_is_left_is_told_roughly() {
        for (ms, expected) in [
            (0, "0 s"),
            (59_900, "59 s"),
            (60_000, "1 minute"),
            (61_000, "2 minutes"),
            (898_000, "15 minutes"),
            (7_200_000, "2 hours"),
        ] {
            assert_eq!(left(ms), expected);
        }
    }

    #[test]
    fn a_sign_in_is_told_by_what_matters_of_it() {
        use crate::oauth::SignInFailing;
        const NOW: u64 = 1_795_425_120_000;
        let told = |needs_a_person, note| sign_in(&SignInView { needs_a_person, note }, NOW);
        let works = SignInNote { since_ms: Some(NOW), renewed_ms: Some(NOW - 300_000), ..SignInNote::default() };
        let failing = Some(SignInFailing { since_ms: NOW, diagnosis: crate::diagnosis::Diagnosis::default() });
        assert_eq!(told(true, None), "Not signed in");
        assert_eq!(told(false, None), "No access token asked for yet");
        assert_eq!(told(false, Some(works.clone())), "Access token granted 5 minutes ago");
        assert_eq!(told(true, Some(works.clone())), "Signed in");
        assert_eq!(told(true, Some(SignInNote { account: Some("a@x.org".into()), ..works.clone() })), "Signed in as a@x.org");
        assert_eq!(told(true, Some(SignInNote { failing, ..works })), "Sign-in failing since 09:12 UTC");
    }

    #[test]
    fn the_dates_of_a_certificate_are_told_as_they_matter_now() {
        let day = |n: u64| n * 86_400_000;
        let now = crate::certificate::instant_ms("2026-11-23T09:12:00Z").unwrap();
        let certificate = |from: u64, to: u64| Certificate {
            not_before: utc(from).replacen(' ', "T", 1).replace(" UTC", ":00Z"),
            not_after: utc(to).replacen(' ', "T", 1).replace(" UTC", ":00Z"),
            ..Certificate::default()
        };
        let table = [
            (now + day(60), now + day(90), "not valid yet: from 2027-01-22"),
            (0, now + 60_000, "expires today"),
            (0, now + day(1), "expires tomorrow"),
            (0, now + day(40), "expires in 40 days"),
            (0, now + day(729), "expires in 729 days"),
            (0, now + day(3 * 366), "expires in 3 years"),
            (0, now - 60_000, "expired today"),
            (0, now - day(1), "expired yesterday"),
            (0, now - day(3), "expired 3 days ago"),
            (0, now - day(4 * 366), "expired 4 years ago"),
        ];
        for (from, to, expected) in table {
            assert_eq!(validity(&certificate(from, to), now), expected);
        }
        let endless = Certificate { not_after: "9999-12-31T23:59:59Z".into(), ..certificate(0, 0) };
        assert_eq!(validity(&endless, now), "never expires");
        assert_eq!(validity(&Certificate::default(), now), "its dates can't be read");
    }

    #[test]
    fn an_ending_certificate_is_told_by_what_it_is_to_the_entry() {
        use crate::trust::Needed;
        let now = crate::certificate::instant_ms("2026-11-23T09:12:00Z").unwrap();
        let told = |role, not_after: &str| expiring(&Expiring { role, subject: "CN=a".into(), not_after: not_after.into() }, now);
        assert_eq!(told(Needed::Client, "2026-12-05T00:00:00Z"), "The client certificate CN=a expires in 12 days");
        let secret = Expiring { role: Needed::ClientSecret, subject: String::new(), not_after: "2026-12-05T00:00:00Z".into() };
        assert_eq!(expiring(&secret, now), "The client secret expires in 12 days");
        assert_eq!(told(Needed::Server, "2026-11-22T00:00:00Z"), "The server's certificate CN=a expired yesterday");
    }

    #[test]
    fn times_are_told_in_the_largest_unit_that_fits() {
        const MINUTE: u64 = 60_000;
        let table = [
            (0, "just now"),
            (MINUTE - 1, "just now"),
            (MINUTE, "1 minute ago"),
            (5 * MINUTE + 1, "5 minutes ago"),
            (60 * MINUTE - 1, "59 minutes ago"),
            (60 * MINUTE, "1 hour ago"),
            (1440 * MINUTE - 1, "23 hours ago"),
            (1440 * MINUTE, "1 day ago"),
            (3 * 1440 * MINUTE, "3 days ago"),
        ];
        for (passed, expected) in table {
            assert_eq!(ago(1_800_000_000_000, 1_800_000_000_000 - passed), expected);
        }
        assert_eq!(ago(5, 1_800_000_000_000), "just now");
    }

    #[test]
    fn an_instant_is_written_in_utc_to_the_minute() {
        let table = [
            (0, "1970-01-01 00:00 UTC"),
            (951_782_399_999, "2000-02-28 23:59 UTC"),
            (951_782_400_000, "2000-02-29 00:00 UTC"),
            (1_709_251_199_000, "2024-02-29 23:59 UTC"),
            (1_709_251_200_000, "2024-03-01 00:00 UTC"),
            (1_767_225_599_000, "2025-12-31 23:59 UTC"),
            (1_795_425_120_000, "2026-11-23 09:12 UTC"),
            (4_107_542_400_000, "2100-03-01 00:00 UTC"),
        ];
        for (at_ms, expected) in table {
            assert_eq!(utc(at_ms), expected);
        }
    }
}
