//! One SMTP server as JSON: the shape of `send-test --config`, of the API, of export and import.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};
use serde::ser::{SerializeMap, Serializer};
use serde::{Deserialize, Serialize};

use super::{Kind, MinTls, Protocol, ServerDraft, SmtpServer, StartTls};
use crate::fax::FaxSettings;
use crate::link::Language;
use crate::oauth::{Oauth, Provider, Strategy};
use crate::secret::Secret;
use crate::size::Size;

/// A server coming in. A missing key takes its default on create and keeps its value on update; an unknown key is an
/// error.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, remote = "Self")]
#[expect(missing_docs, reason = "a member a key; `Field::key` says which field each is")]
pub struct ServerPatch {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub starttls: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_plaintext_credentials: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// Missing keeps it, `null` removes it.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub password: Option<Option<SecretInput>>,
    /// What goes out may come in again; it says nothing.
    #[serde(default, skip_serializing)]
    pub has_password: Option<IgnoredJson>,
    /// Missing keeps it, `null` switches it off.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub azure_oauth: Option<Option<AzurePatch>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fax_address: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fax_domain: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fax_template: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fax_prefix: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fax_country: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sender: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub override_sender: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mime_address_strict: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attachment_as_url: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attachment_threshold_bytes: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link_days: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link_language: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate_name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_tls: Option<String>,
    /// PEM: the certificate, those that lead to its authority, and its key. Missing keeps it, `null` removes it.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub client_certificate: Option<Option<SecretInput>>,
    /// As `has_password`.
    #[serde(default, skip_serializing)]
    pub has_client_certificate: Option<IgnoredJson>,
}

/// Azure OAuth coming in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, remote = "Self")]
#[expect(missing_docs, reason = "as in `ServerPatch`")]
pub struct AzurePatch {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub application_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strategy: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_expires: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authority: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sign_in_url: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mailbox: Option<String>,
}

/// Reads an object and nothing else: what serde derives also takes an array for the members in their order.
struct ObjectOnly<T>(PhantomData<T>);

impl<'de, T: FromObject> Visitor<'de> for ObjectOnly<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        T::from_object(MapAccessDeserializer::new(map))
    }
}

/// What serde derived.
trait FromObject: Sized {
    fn from_object<'de, D: Deserializer<'de>>(object: D) -> Result<Self, D::Error>;
}

macro_rules! object_only {
    ($($type:ty),+) => {$(
        impl FromObject for $type {
            fn from_object<'de, D: Deserializer<'de>>(object: D) -> Result<Self, D::Error> {
                Self::deserialize(object)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_map(ObjectOnly(PhantomData))
            }
        }

        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                Self::serialize(self, serializer)
            }
        }
    )+};
}

object_only!(ServerPatch, AzurePatch);

/// Azure OAuth going out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "as in `ServerPatch`")]
pub struct AzureOut {
    pub application_id: String,
    pub tenant: Option<String>,
    #[serde(default)]
    pub strategy: Strategy,
    #[serde(default)]
    pub secret_expires: String,
    #[serde(default)]
    pub provider: Provider,
    #[serde(default)]
    pub authority: String,
    #[serde(default)]
    pub sign_in_url: String,
    #[serde(default)]
    pub scope: String,
    #[serde(default)]
    pub mailbox: String,
}

impl AzureOut {
    fn of(oauth: &Oauth) -> Self {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        Self {
            application_id: oauth.application_id.clone(),
            tenant: oauth.tenant.clone(),
            strategy: oauth.strategy,
            secret_expires: text(&oauth.secret_expires),
            provider: oauth.provider,
            authority: text(&oauth.authority),
            sign_in_url: text(&oauth.sign_in_url),
            scope: text(&oauth.scope),
            mailbox: text(&oauth.mailbox),
        }
    }
}

/// A password, or another secret, coming in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretInput {
    /// The secret itself.
    Value(Secret),
    /// The name of the environment variable that holds it.
    Env(String),
}

impl<'de> Deserialize<'de> for SecretInput {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "snake_case")]
        enum Shape {
            Value(Secret),
            Env(String),
        }
        // The reader's own error would quote what it found: most often a secret that was given as plain text.
        match Shape::deserialize(deserializer) {
            Ok(Shape::Value(secret)) => Ok(Self::Value(secret)),
            Ok(Shape::Env(name)) => Ok(Self::Env(name)),
            Err(_) => Err(D::Error::custom(r#"a secret must be given as {"value": "…"} or {"env": "NAME"}"#)),
        }
    }
}

/// The browser's way of handing a typed secret to the server; this type never travels the other way.
impl Serialize for SecretInput {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1))?;
        match self {
            Self::Value(secret) => map.serialize_entry("value", secret.expose())?,
            Self::Env(name) => map.serialize_entry("env", name)?,
        }
        map.end()
    }
}

/// Any JSON; nothing of it is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IgnoredJson;

impl<'de> Deserialize<'de> for IgnoredJson {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| Self)
    }
}

/// Tells `null` (`Some(None)`) from a missing key (`None`, by `default`).
#[expect(clippy::option_option, reason = "missing and null mean different things")]
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<Option<T>>, D::Error> {
    Option::<T>::deserialize(deserializer).map(Some)
}

/// A server going out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "a member a key; `Field::key` says which field each is")]
#[expect(clippy::struct_excessive_bools, reason = "they are the shape's")]
pub struct ServerOut {
    pub name: String,
    pub kind: Kind,
    pub default: bool,
    pub protocol: String,
    pub host: String,
    pub port: u16,
    pub timeout_ms: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub starttls: Option<StartTls>,
    pub allow_plaintext_credentials: bool,
    pub username: String,
    pub has_password: bool,
    pub azure_oauth: Option<AzureOut>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fax_address: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fax_domain: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fax_template: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fax_prefix: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fax_country: Option<String>,
    pub sender: String,
    pub override_sender: bool,
    pub mime_address_strict: bool,
    pub attachment_as_url: bool,
    pub attachment_threshold_bytes: u64,
    pub link_days: u16,
    #[serde(default)]
    pub link_language: Language,
    #[serde(default)]
    pub certificate_name: String,
    #[serde(default)]
    pub min_tls: MinTls,
    #[serde(default)]
    pub has_client_certificate: bool,
}

/// Which secrets are kept beside an entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Has {
    /// Its password.
    pub password: bool,
    /// Its client certificate with the key.
    pub client_certificate: bool,
}

impl ServerOut {
    /// What may be told about `server`.
    pub fn of(server: &SmtpServer, default: bool, has: Has) -> Self {
        let (starttls, allow_plaintext_credentials) = match server.protocol {
            Protocol::Smtp { starttls, allow_plaintext_credentials } => (Some(starttls), allow_plaintext_credentials),
            Protocol::Smtps => (None, false),
        };
        // What only a fax server has, it always has; a mail server has none of it.
        let fax = |value: &dyn Fn(&FaxSettings) -> String| (server.kind == Kind::Fax).then(|| value(&server.fax));
        Self {
            name: server.name.to_string(),
            kind: server.kind,
            default,
            protocol: server.protocol.key().into(),
            host: server.host.to_string(),
            port: server.port,
            timeout_ms: server.timeout_ms,
            starttls,
            allow_plaintext_credentials,
            username: server.username().unwrap_or_default().into(),
            has_password: has.password,
            azure_oauth: server.oauth().map(AzureOut::of),
            fax_address: fax(&|fax| fax.template.key().into()),
            fax_domain: fax(&|fax| fax.domain.as_ref().map(ToString::to_string).unwrap_or_default()),
            fax_template: fax(&|fax| fax.template.own().map(|own| own.as_str().to_owned()).unwrap_or_default()),
            fax_prefix: fax(&|fax| fax.prefix.as_str().into()),
            fax_country: fax(&|fax| fax.country.map(|country| country.to_string()).unwrap_or_default()),
            sender: server.sender.as_ref().map(|s| s.mailbox.to_string()).unwrap_or_default(),
            override_sender: server.sender.as_ref().is_some_and(|s| s.overrides),
            mime_address_strict: server.mime_address_strict,
            attachment_as_url: server.attachments.as_url,
            attachment_threshold_bytes: server.attachments.threshold.bytes(),
            link_days: server.attachments.link_days,
            link_language: server.attachments.link_language,
            certificate_name: server.tls.certificate_name.as_ref().map(ToString::to_string).unwrap_or_default(),
            min_tls: server.tls.min,
            has_client_certificate: has.client_certificate,
        }
    }
}

impl ServerDraft {
    /// Puts what `patch` says over the draft; what it leaves out stays. A port that is not given follows the protocol.
    pub fn apply(&mut self, patch: &ServerPatch) {
        if let Some(protocol) = &patch.protocol {
            self.choose_protocol(protocol);
        }
        for (slot, value) in [
            (&mut self.name, &patch.name),
            (&mut self.kind, &patch.kind),
            (&mut self.host, &patch.host),
            (&mut self.starttls, &patch.starttls),
            (&mut self.username, &patch.username),
            (&mut self.fax_address, &patch.fax_address),
            (&mut self.fax_domain, &patch.fax_domain),
            (&mut self.fax_template, &patch.fax_template),
            (&mut self.fax_prefix, &patch.fax_prefix),
            (&mut self.fax_country, &patch.fax_country),
            (&mut self.sender, &patch.sender),
            (&mut self.link_language, &patch.link_language),
            (&mut self.certificate_name, &patch.certificate_name),
            (&mut self.min_tls, &patch.min_tls),
        ] {
            if let Some(value) = value {
                slot.clone_from(value);
            }
        }
        for (slot, value) in [
            (&mut self.port, patch.port),
            (&mut self.timeout_ms, patch.timeout_ms),
            (&mut self.attachment_threshold, patch.attachment_threshold_bytes),
            (&mut self.link_days, patch.link_days),
        ] {
            if let Some(value) = value {
                *slot = value.to_string();
            }
        }
        for (slot, value) in [
            (&mut self.default, patch.default),
            (&mut self.allow_plaintext_credentials, patch.allow_plaintext_credentials),
            (&mut self.override_sender, patch.override_sender),
            (&mut self.mime_address_strict, patch.mime_address_strict),
            (&mut self.attachment_as_url, patch.attachment_as_url),
        ] {
            if let Some(value) = value {
                *slot = value;
            }
        }
        match &patch.azure_oauth {
            None => {}
            Some(None) => self.azure_oauth = false,
            Some(Some(azure)) => {
                self.azure_oauth = true;
                for (slot, value) in [
                    (&mut self.azure_application_id, &azure.application_id),
                    (&mut self.azure_tenant, &azure.tenant),
                    (&mut self.azure_strategy, &azure.strategy),
                    (&mut self.azure_secret_expires, &azure.secret_expires),
                    (&mut self.azure_provider, &azure.provider),
                    (&mut self.azure_authority, &azure.authority),
                    (&mut self.azure_sign_in_url, &azure.sign_in_url),
                    (&mut self.azure_scope, &azure.scope),
                    (&mut self.azure_mailbox, &azure.mailbox),
                ] {
                    if let Some(value) = value {
                        slot.clone_from(value);
                    }
                }
            }
        }
    }
}

impl ServerPatch {
    /// The patch that makes an entry what a draft says, for the browser to send. Only a draft that was checked has numbers;
    /// `password` is added by the caller.
    pub fn of(server: &SmtpServer, default: bool) -> Self {
        let out = ServerOut::of(server, default, Has::default());
        Self {
            name: Some(out.name),
            kind: Some(out.kind.key().into()),
            default: Some(default),
            protocol: Some(out.protocol),
            host: Some(out.host),
            port: Some(out.port.into()),
            timeout_ms: Some(out.timeout_ms.into()),
            starttls: out.starttls.map(|s| s.key().to_owned()),
            allow_plaintext_credentials: Some(out.allow_plaintext_credentials),
            username: Some(out.username),
            password: None,
            has_password: None,
            azure_oauth: Some(out.azure_oauth.map(|a| AzurePatch {
                application_id: Some(a.application_id),
                tenant: Some(a.tenant.unwrap_or_default()),
                strategy: Some(a.strategy.key().into()),
                secret_expires: Some(a.secret_expires),
                provider: Some(a.provider.key().into()),
                authority: Some(a.authority),
                sign_in_url: Some(a.sign_in_url),
                scope: Some(a.scope),
                mailbox: Some(a.mailbox),
            })),
            fax_address: out.fax_address,
            fax_domain: out.fax_domain,
            fax_template: out.fax_template,
            fax_prefix: out.fax_prefix,
            fax_country: out.fax_country,
            sender: Some(out.sender),
            override_sender: Some(out.override_sender),
            mime_address_strict: Some(out.mime_address_strict),
            attachment_as_url: Some(out.attachment_as_url),
            attachment_threshold_bytes: i64::try_from(Size::bytes(server.attachments.threshold)).ok(),
            link_days: Some(out.link_days.into()),
            link_language: Some(out.link_language.key().into()),
            certificate_name: Some(out.certificate_name),
            min_tls: Some(out.min_tls.key().into()),
            client_certificate: None,
            has_client_certificate: None,
        }
    }
}
