//! The fields of an entry and what can be wrong with them, as data. Their words are in [`crate::words`].

use std::collections::BTreeMap;

use crate::address::{AddressError, Wanted};
use crate::fax::FaxError;
use crate::idn::IdnError;
use crate::size::Size;
use crate::trust::ClientCertificateError;
use crate::words;

/// A field of an entry or of its test, in the order in which the page shows them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Field {
    /// The entry's name.
    Name,
    /// SMTP server or fax server.
    Kind,
    /// Whether the entry is the default.
    Default,
    /// SMTP or SMTPS.
    Protocol,
    /// The host name or address of the server.
    Host,
    /// Its port.
    Port,
    /// Milliseconds to wait for each answer.
    Timeout,
    /// What is done with STARTTLS.
    StartTls,
    /// Whether a password may travel unencrypted.
    AllowPlaintextCredentials,
    /// The account.
    Username,
    /// Its password.
    Password,
    /// The password again.
    PasswordConfirm,
    /// Whether to sign in with a token of Microsoft's instead of a password.
    AzureOauth,
    /// The application id registered there.
    AzureApplicationId,
    /// The tenant it is registered in.
    AzureTenant,
    /// How a token is asked for.
    AzureStrategy,
    /// When the client secret ends.
    AzureSecretExpires,
    /// Whose sign-in service it is.
    AzureProvider,
    /// Where tokens are asked for.
    AzureAuthority,
    /// Where somebody signs in, with another provider.
    AzureSignInUrl,
    /// What a token is asked for.
    AzureScope,
    /// The mailbox, where it isn't the one that signs in.
    AzureMailbox,
    /// The form of a fax gateway's addresses.
    FaxAddress,
    /// The domain of its addresses, where it isn't the hostname.
    FaxDomain,
    /// An own form of its addresses.
    FaxTemplate,
    /// What is dialled before the number.
    FaxPrefix,
    /// Whose national numbers are understood.
    FaxCountry,
    /// The address the entry sends from.
    Sender,
    /// Whether it replaces the one of a mail node.
    OverrideSender,
    /// Whether addresses are read strictly.
    MimeAddressStrict,
    /// Whether attachments that are too big become links.
    AttachmentAsUrl,
    /// What is too big.
    AttachmentThreshold,
    /// How long a link lives.
    LinkDays,
    /// In which language a link is spoken of.
    LinkLanguage,
    /// The name that the server's certificate is for, where it isn't the hostname.
    CertificateName,
    /// The lowest version of TLS that is accepted.
    MinTls,
    /// What we show to a server that wants to know who we are.
    ClientCertificate,
    /// The sender of a test.
    TestFrom,
    /// The recipients of a test.
    TestTo,
    /// The size of the file that goes with a test.
    TestAttachment,
    /// The entry that becomes the default when the default is trashed.
    NewDefault,
}

impl Field {
    /// Every field, in the page's order.
    pub const ALL: [Self; 41] = [
        Self::Name,
        Self::Kind,
        Self::Default,
        Self::Protocol,
        Self::Host,
        Self::Port,
        Self::Timeout,
        Self::StartTls,
        Self::AllowPlaintextCredentials,
        Self::Username,
        Self::Password,
        Self::PasswordConfirm,
        Self::AzureOauth,
        Self::AzureApplicationId,
        Self::AzureTenant,
        Self::AzureStrategy,
        Self::AzureSecretExpires,
        Self::AzureProvider,
        Self::AzureAuthority,
        Self::AzureSignInUrl,
        Self::AzureScope,
        Self::AzureMailbox,
        Self::FaxAddress,
        Self::FaxDomain,
        Self::FaxTemplate,
        Self::FaxPrefix,
        Self::FaxCountry,
        Self::Sender,
        Self::OverrideSender,
        Self::MimeAddressStrict,
        Self::AttachmentAsUrl,
        Self::AttachmentThreshold,
        Self::LinkDays,
        Self::LinkLanguage,
        Self::CertificateName,
        Self::MinTls,
        Self::ClientCertificate,
        Self::TestFrom,
        Self::TestTo,
        Self::TestAttachment,
        Self::NewDefault,
    ];

    /// The field's name in forms, in the JSON of an entry and in the API's errors.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Kind => "kind",
            Self::Default => "default",
            Self::Protocol => "protocol",
            Self::Host => "host",
            Self::Port => "port",
            Self::Timeout => "timeout_ms",
            Self::StartTls => "starttls",
            Self::AllowPlaintextCredentials => "allow_plaintext_credentials",
            Self::Username => "username",
            Self::Password => "password",
            Self::PasswordConfirm => "password_confirm",
            Self::AzureOauth => "azure_oauth",
            Self::AzureApplicationId => "azure_application_id",
            Self::AzureTenant => "azure_tenant",
            Self::AzureStrategy => "azure_strategy",
            Self::AzureSecretExpires => "azure_secret_expires",
            Self::AzureProvider => "azure_provider",
            Self::AzureAuthority => "azure_authority",
            Self::AzureSignInUrl => "azure_sign_in_url",
            Self::AzureScope => "azure_scope",
            Self::AzureMailbox => "azure_mailbox",
            Self::FaxAddress => "fax_address",
            Self::FaxDomain => "fax_domain",
            Self::FaxTemplate => "fax_template",
            Self::FaxPrefix => "fax_prefix",
            Self::FaxCountry => "fax_country",
            Self::Sender => "sender",
            Self::OverrideSender => "override_sender",
            Self::MimeAddressStrict => "mime_address_strict",
            Self::AttachmentAsUrl => "attachment_as_url",
            Self::AttachmentThreshold => "attachment_threshold_bytes",
            Self::LinkDays => "link_days",
            Self::LinkLanguage => "link_language",
            Self::CertificateName => "certificate_name",
            Self::MinTls => "min_tls",
            Self::ClientCertificate => "client_certificate",
            Self::TestFrom => "from",
            Self::TestTo => "to",
            Self::TestAttachment => "attachment_bytes",
            Self::NewDefault => "new_default",
        }
    }

    /// How many addresses stand in the field, if addresses do. With a fax server numbers stand in [`TestTo`](Self::TestTo).
    pub const fn wanted(self) -> Option<Wanted> {
        match self {
            Self::Sender | Self::TestFrom | Self::AzureMailbox => Some(Wanted::One),
            Self::TestTo => Some(Wanted::List),
            _ => None,
        }
    }

    /// Whether an address, or several, stand in the field.
    pub const fn is_address(self) -> bool {
        self.wanted().is_some()
    }

    /// Whether the field stands in the folded section.
    pub const fn is_advanced(self) -> bool {
        matches!(
            self,
            Self::AzureOauth
                | Self::AzureApplicationId
                | Self::AzureTenant
                | Self::AzureStrategy
                | Self::AzureSecretExpires
                | Self::AzureProvider
                | Self::AzureAuthority
                | Self::AzureSignInUrl
                | Self::AzureScope
                | Self::AzureMailbox
                | Self::OverrideSender
                | Self::LinkDays
                | Self::LinkLanguage
                | Self::CertificateName
                | Self::MinTls
                | Self::ClientCertificate
        )
    }
}

/// What is wrong with a field. Texts of the user's are shortened and made visible by [`words::quote`] before they get in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FieldError {
    /// Nothing was entered.
    Required,
    /// More characters than the field takes.
    TooLong {
        /// Characters entered.
        length: usize,
        /// Characters it takes.
        max: usize,
    },
    /// A control character.
    Control {
        /// Which one.
        character: char,
    },
    /// A choice that does not exist.
    UnknownChoice {
        /// What came.
        value: String,
        /// What there is.
        choices: &'static [&'static str],
    },
    /// A name has a character it can't have.
    NameCharacter {
        /// Which one.
        character: char,
    },
    /// `.` or `..`.
    NameOnlyDots,
    /// Another entry has the name.
    NameTaken {
        /// The name.
        name: String,
    },
    /// Not a host name or address.
    Host(HostError),
    /// Not a number.
    NotANumber {
        /// What came.
        text: String,
    },
    /// A number outside what is possible; both ends are possible.
    OutOfRange {
        /// What came.
        text: String,
        /// The smallest.
        min: u64,
        /// The largest.
        max: u64,
    },
    /// Digits were expected in a size.
    SizeNumber {
        /// What came.
        text: String,
    },
    /// A unit nobody knows.
    SizeUnit {
        /// The unit.
        unit: String,
    },
    /// More than a tebibyte.
    SizeTooLarge,
    /// Not a GUID.
    NotAGuid {
        /// What came.
        text: String,
    },
    /// Not a tenant.
    NotATenant {
        /// What came.
        text: String,
    },
    /// `common` and `consumers` take no mail.
    SharedTenant {
        /// Which one.
        tenant: String,
    },
    /// Not an address of a sign-in service.
    NotAServiceUrl {
        /// What came.
        text: String,
    },
    /// Not a day.
    NotADate {
        /// What came.
        text: String,
    },
    /// A character that can't stand there.
    WrongCharacter {
        /// Which one.
        character: char,
    },
    /// The provider grants no tokens in this way.
    StrategyNotThere,
    /// The two passwords differ.
    PasswordsDiffer,
    /// A password without a username.
    PasswordWithoutUsername,
    /// "Remove password" and a new password at once.
    PasswordSetAndRemoved,
    /// A stored password is used only for the server and the account it was entered for.
    PasswordForOtherServer,
    /// `{"env"}` names a variable that is not set (or not one that this program reads).
    PasswordVariable {
        /// The name.
        name: String,
    },
    /// A field that another one demands.
    RequiredWith {
        /// The one that demands it.
        other: Field,
    },
    /// An address is wrong.
    Address(AddressError),
    /// An address without a domain, where one must be.
    AddressWithoutDomain,
    /// No fax number, or a setting that makes no address of one.
    Fax(FaxError),
    /// A larger file than a test carries.
    TestAttachmentTooBig {
        /// The largest.
        max: Size,
    },
    /// More recipients than a test takes.
    TooManyRecipients {
        /// How many came.
        count: usize,
        /// How many it takes.
        max: usize,
    },
    /// The only default can't be switched off, only handed over.
    LastDefault,
    /// An incomplete, trashed or unknown entry can't be the default.
    NotADefault,
    /// A client certificate can't be used.
    ClientCertificate(ClientCertificateError),
    /// Something that only an encrypted connection has a use for, where none can be.
    NotEncrypted,
}

/// What is wrong with a host name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostError {
    /// A scheme, path, port or user stands in it.
    UrlOrPort {
        /// The host in it, if it can be told.
        host: String,
    },
    /// An at-sign: an address.
    Address,
    /// Digits and dots, but no IPv4 address.
    NotAnIpv4 {
        /// What came.
        text: String,
    },
    /// A colon or brackets, but no IPv6 address.
    NotAnIpv6 {
        /// What came.
        text: String,
    },
    /// Not a DNS name.
    Name(IdnError),
}

/// Everything that is wrong with what was entered, a problem a field, in the page's order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldErrors(Vec<(Field, FieldError)>);

impl FieldErrors {
    /// One problem.
    pub fn one(field: Field, error: FieldError) -> Self {
        let mut errors = Self::default();
        errors.add(field, error);
        errors
    }

    /// Notes a problem; the first one of a field stays.
    pub fn add(&mut self, field: Field, error: FieldError) {
        if let Err(at) = self.0.binary_search_by_key(&field, |(field, _)| *field) {
            self.0.insert(at, (field, error));
        }
    }

    /// The value, or `None` after noting the problem.
    pub fn take<T>(&mut self, field: Field, result: Result<T, FieldError>) -> Option<T> {
        result.map_err(|error| self.add(field, error)).ok()
    }

    /// Adds the problems of `other`; those already noted stay.
    pub fn merge(&mut self, other: Self) {
        for (field, error) in other.0 {
            self.add(field, error);
        }
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The problem of a field.
    pub fn get(&self, field: Field) -> Option<&FieldError> {
        self.0.iter().find(|(of, _)| *of == field).map(|(_, error)| error)
    }

    /// The problems in the page's order.
    pub fn iter(&self) -> impl Iterator<Item = (Field, &FieldError)> {
        self.0.iter().map(|(field, error)| (*field, error))
    }

    /// The sentences for people, by the fields' keys.
    pub fn sentences(&self) -> BTreeMap<String, String> {
        self.iter().map(|(field, error)| (field.key().to_owned(), words::field_error(field, error))).collect()
    }

    /// These, or `value` where there are none.
    ///
    /// # Errors
    /// The problems, if there are any.
    pub fn or<T>(self, value: T) -> Result<T, Self> {
        if self.is_empty() { Ok(value) } else { Err(self) }
    }
}
