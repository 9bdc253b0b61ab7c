//! How an entry gets access tokens: from whom, by which strategy, and for what. Only valid ones can be made (`ServerDraft::check`).

use serde::{Deserialize, Serialize};

use super::{MICROSOFT, SMTP_SEND, SMTP_SEND_AS_APP};
use crate::field::FieldError;
use crate::host::Host;
use crate::words;

/// How a token is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// As the mailbox, with its password (RFC 6749 section 4.3).
    #[default]
    Password,
    /// As the application, with its secret (RFC 6749 section 4.4).
    ClientCredentials,
    /// As the application, with a certificate (RFC 7523 section 2.2).
    ClientCertificate,
    /// As the mailbox: somebody signs in, in the browser (RFC 6749 section 4.1, RFC 7636).
    AuthorizationCode,
    /// As the mailbox: somebody signs in elsewhere and types a code there (RFC 8628).
    DeviceCode,
}

impl Strategy {
    /// The choices as forms and JSON write them.
    pub const CHOICES: &'static [&'static str] =
        &["password", "client_credentials", "client_certificate", "authorization_code", "device_code"];
    /// Them, in the same order.
    pub const ALL: [Self; 5] =
        [Self::Password, Self::ClientCredentials, Self::ClientCertificate, Self::AuthorizationCode, Self::DeviceCode];

    /// As forms and JSON write it.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::ClientCredentials => "client_credentials",
            Self::ClientCertificate => "client_certificate",
            Self::AuthorizationCode => "authorization_code",
            Self::DeviceCode => "device_code",
        }
    }

    /// Whether somebody has to sign in once before there is a token.
    pub const fn needs_a_person(self) -> bool {
        matches!(self, Self::AuthorizationCode | Self::DeviceCode)
    }

    /// Whether the application itself signs in, and no mailbox.
    pub const fn is_of_the_application(self) -> bool {
        matches!(self, Self::ClientCredentials | Self::ClientCertificate)
    }

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// Whose sign-in service it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Provider {
    /// Microsoft's (Entra).
    #[default]
    Microsoft,
    /// Google's.
    Google,
    /// Another one, whose addresses are entered.
    Other,
}

impl Provider {
    /// The choices as forms and JSON write them.
    pub const CHOICES: &'static [&'static str] = &["microsoft", "google", "other"];
    /// Them, in the same order.
    pub const ALL: [Self; 3] = [Self::Microsoft, Self::Google, Self::Other];

    /// As forms and JSON write it.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Microsoft => "microsoft",
            Self::Google => "google",
            Self::Other => "other",
        }
    }

    /// Whether tokens can be got there by `strategy`: Google lets nobody in with a password, and applications only in other ways.
    pub const fn allows(self, strategy: Strategy) -> bool {
        !matches!((self, strategy), (Self::Google, strategy) if !matches!(strategy, Strategy::AuthorizationCode))
    }

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// How an entry gets access tokens. What has its default where it was added later is left out, so that a new program finds the
/// fingerprints of an old one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Oauth {
    /// The application id: with Microsoft a GUID.
    pub application_id: String,
    /// With Microsoft: the tenant it is registered in. `None` stands for the domain of the username.
    pub tenant: Option<String>,
    /// How a token is asked for.
    #[serde(default, skip_serializing_if = "Strategy::is_default")]
    pub strategy: Strategy,
    /// When the client secret ends, `2027-01-31`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_expires: Option<String>,
    /// Whose service it is.
    #[serde(default, skip_serializing_if = "Provider::is_default")]
    pub provider: Provider,
    /// Where tokens are asked for, where it isn't the provider's usual place; with another provider the whole address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authority: Option<String>,
    /// With another provider: where somebody signs in, or where a device gets its code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sign_in_url: Option<String>,
    /// What a token is asked for, where it isn't the usual.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// The mailbox that mail is sent from, where it isn't the one that signs in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mailbox: Option<String>,
}

/// Where a sign-in service is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoints {
    /// For tokens (RFC 6749 section 3.2).
    pub token: String,
    /// Where somebody signs in (RFC 6749 section 3.1).
    pub authorize: String,
    /// Where a device gets its code (RFC 8628 section 3.1).
    pub device: String,
}

/// Google's own places.
const GOOGLE: &str = "https://oauth2.googleapis.com";
const GOOGLE_SIGN_IN: &str = "https://accounts.google.com/o/oauth2/v2/auth";
/// What a token is for with Google: to send, and to tell whose it is.
const GOOGLE_SCOPE: &str = "openid email https://mail.google.com/";
/// What tells whose a token is, and lets it be renewed.
const WHO: &str = "openid email";
/// The most characters of an address of a service.
pub const MAX_SERVICE_URL: usize = 300;
/// The most characters of a scope.
pub const MAX_SCOPE: usize = 400;
/// The most characters of an application id that is no GUID.
pub const MAX_APPLICATION_ID: usize = 256;

impl Oauth {
    /// Where its service is asked. `authority` is Microsoft's, or what takes its place; `username` has the domain that stands for a
    /// tenant. `None` where there is neither.
    pub fn endpoints(&self, authority: &str, username: &str) -> Option<Endpoints> {
        let own = self.authority.as_deref().map(|own| own.trim_end_matches('/'));
        match self.provider {
            Provider::Microsoft => {
                let tenant = match &self.tenant {
                    Some(tenant) => tenant,
                    None => username.rsplit_once('@').map(|(_, domain)| domain).filter(|domain| is_domain(domain))?,
                };
                let base = format!("{}/{tenant}/oauth2/v2.0", own.unwrap_or(authority).trim_end_matches('/'));
                Some(Endpoints {
                    token: format!("{base}/token"),
                    authorize: format!("{base}/authorize"),
                    device: format!("{base}/devicecode"),
                })
            }
            Provider::Google => Some(Endpoints {
                token: format!("{}/token", own.unwrap_or(GOOGLE)),
                authorize: own.map_or_else(|| GOOGLE_SIGN_IN.to_owned(), |own| format!("{own}/o/oauth2/v2/auth")),
                device: format!("{}/device/code", own.unwrap_or(GOOGLE)),
            }),
            Provider::Other => {
                let (token, sign_in) = (own?.to_owned(), self.sign_in_url.clone().unwrap_or_default());
                Some(Endpoints { token, authorize: sign_in.clone(), device: sign_in })
            }
        }
    }

    /// What a token is asked for, by words.
    pub fn scopes(&self) -> Vec<String> {
        let usual = || match (self.provider, self.strategy) {
            (Provider::Microsoft, strategy) if strategy.is_of_the_application() => SMTP_SEND_AS_APP.to_owned(),
            (Provider::Microsoft, Strategy::Password) => SMTP_SEND.to_owned(),
            (Provider::Microsoft, _) => format!("{WHO} {SMTP_SEND}"),
            (Provider::Google, _) => GOOGLE_SCOPE.to_owned(),
            (Provider::Other, _) => String::new(),
        };
        self.scope.clone().unwrap_or_else(usual).split_whitespace().map(str::to_owned).collect()
    }

    /// Whether somebody who signed in for `self` (with `username`) signed in for `other` as well: at the same service, for the same
    /// application and for the same things.
    pub fn shares_sign_in_with(&self, username: &str, other: &Self, other_username: &str) -> bool {
        self.strategy.needs_a_person()
            && other.strategy.needs_a_person()
            && username == other_username
            && self.endpoints(MICROSOFT, username) == other.endpoints(MICROSOFT, other_username)
            && self.application_id == other.application_id
            && self.scopes() == other.scopes()
    }

    /// Whether a secret for `self` goes to the same place with `other`.
    pub(crate) fn shares_secret_with(&self, other: &Self) -> bool {
        let of_whom = |oauth: &Self| (oauth.strategy != Strategy::Password).then(|| oauth.application_id.clone());
        self.strategy == other.strategy
            && of_whom(self) == of_whom(other)
            // With another provider, a device gets its code at the latter.
            && (self.provider, &self.authority, &self.sign_in_url) == (other.provider, &other.authority, &other.sign_in_url)
    }
}

/// Whether a text can stand in a path as a domain: letters, digits, hyphens and dots.
fn is_domain(text: &str) -> bool {
    text.len() <= 253
        && text.contains('.')
        && !text.starts_with('.')
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.')
}

/// The address of a sign-in service: `https://`, or `http://` on this machine itself, for development. Without query, fragment and
/// user; what follows the host is letters, digits and `-._~/`.
///
/// # Errors
/// [`FieldError::NotAServiceUrl`], [`FieldError::TooLong`].
pub fn service_url(text: &str) -> Result<String, FieldError> {
    let length = text.chars().count();
    if length > MAX_SERVICE_URL {
        return Err(FieldError::TooLong { length, max: MAX_SERVICE_URL });
    }
    let wrong = || FieldError::NotAServiceUrl { text: words::quote(text) };
    let (scheme, rest) = text.split_once("://").ok_or_else(wrong)?;
    let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
    let bracketed = authority.rfind(']').map_or(0, |at| at + 1);
    let (host, port) = match authority.get(bracketed..).and_then(|after| after.find(':')) {
        Some(at) => {
            let (host, port) = authority.split_at(bracketed + at);
            (host, Some(port.trim_start_matches(':').parse::<u16>().ok().filter(|port| *port != 0).ok_or_else(wrong)?))
        }
        None => (authority, None),
    };
    let host = Host::parse(host).map_err(|_| wrong())?;
    let here = matches!(&host, Host::Ip(ip) if ip.is_loopback()) || matches!(&host, Host::Dns(name) if name == "localhost");
    let scheme = scheme.to_ascii_lowercase();
    let plain = path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte)) && !path.contains("..");
    if !plain || !(scheme == "https" || scheme == "http" && here) {
        return Err(wrong());
    }
    let host = match &host {
        Host::Ip(std::net::IpAddr::V6(ip)) => format!("[{ip}]"),
        host => host.to_string(),
    };
    let port = port.map(|port| format!(":{port}")).unwrap_or_default();
    Ok(format!("{scheme}://{host}{port}{}", path.trim_end_matches('/')))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(strategy: Strategy) -> Oauth {
        Oauth { application_id: "app".into(), strategy, ..Oauth::default() }
    }

    #[test]
    fn the_tenant_or_else_the_domain_of_the_username_leads_to_the_endpoints() {
        let at = |tenant: Option<&str>, username: &str| {
            Oauth { tenant: tenant.map(Into::into), ..Oauth::default() }.endpoints(MICROSOFT, username)
        };
        let expected = "https://login.microsoftonline.com/contoso.com/oauth2/v2.0/token";
        assert_eq!(at(None, "scan@contoso.com").unwrap().token, expected);
        assert_eq!(at(Some("contoso.com"), "scan").unwrap().token, expected);
        let common = at(Some("organizations"), "").unwrap();
        assert_eq!(common.authorize, "https://login.microsoftonline.com/organizations/oauth2/v2.0/authorize");
        assert_eq!(common.device, "https://login.microsoftonline.com/organizations/oauth2/v2.0/devicecode");
        for username in ["scan", "scan@", "a@b@../x.y", "a@x.y/../..", "a@x.y?", "a@.x.y", "a@x y.z"] {
            assert_eq!(at(None, username), None, "{username}");
        }
        let us = Oauth { authority: Some("https://login.microsoftonline.us".into()), ..Oauth::default() };
        assert_eq!(us.endpoints(MICROSOFT, "a@x.us").unwrap().token, "https://login.microsoftonline.us/x.us/oauth2/v2.0/token");
    }

    #[test]
    fn other_services_have_their_own_places() {
        let google = Oauth { provider: Provider::Google, ..of(Strategy::AuthorizationCode) };
        let places = google.endpoints(MICROSOFT, "a").unwrap();
        assert_eq!((places.token.as_str(), places.authorize.as_str()), ("https://oauth2.googleapis.com/token", GOOGLE_SIGN_IN));
        let other = Oauth {
            provider: Provider::Other,
            authority: Some("https://sso.example.com/token".into()),
            sign_in_url: Some("https://sso.example.com/auth".into()),
            ..of(Strategy::AuthorizationCode)
        };
        let places = other.endpoints(MICROSOFT, "a").unwrap();
        assert_eq!(
            (places.token.as_str(), places.authorize.as_str()),
            ("https://sso.example.com/token", "https://sso.example.com/auth")
        );
        assert_eq!(Oauth { provider: Provider::Other, ..Oauth::default() }.endpoints(MICROSOFT, "a"), None);
        assert!(!Provider::Google.allows(Strategy::Password) && Provider::Google.allows(Strategy::AuthorizationCode));
    }

    #[test]
    fn a_token_is_asked_for_what_the_strategy_can_have() {
        assert_eq!(of(Strategy::ClientCredentials).scopes(), ["https://outlook.office365.com/.default"]);
        assert_eq!(of(Strategy::Password).scopes(), ["https://outlook.office.com/SMTP.Send", "offline_access"]);
        let own = Oauth { scope: Some("smtp.send  offline".into()), ..of(Strategy::DeviceCode) };
        assert_eq!(own.scopes(), ["smtp.send", "offline"]);
        assert!(of(Strategy::DeviceCode).scopes().contains(&"openid".to_owned()), "or nobody would say whose it is");
    }

    #[test]
    fn a_sign_in_counts_for_the_same_service_application_and_scope() {
        let code = || Oauth { tenant: Some("x.org".into()), ..of(Strategy::AuthorizationCode) };
        assert!(code().shares_sign_in_with("a@x.org", &Oauth { strategy: Strategy::DeviceCode, ..code() }, "a@x.org"));
        assert!(code().shares_sign_in_with(
            "a@x.org",
            &Oauth { tenant: None, mailbox: Some("b@x.org".into()), ..code() },
            "a@x.org"
        ));
        for other in [
            Oauth { application_id: "other".into(), ..code() },
            Oauth { tenant: Some("y.org".into()), ..code() },
            Oauth { scope: Some("mail".into()), ..code() },
            Oauth { authority: Some("https://evil.example".into()), ..code() },
            Oauth { strategy: Strategy::Password, ..code() },
        ] {
            assert!(!code().shares_sign_in_with("a@x.org", &other, "a@x.org"), "{other:?}");
        }
        assert!(!code().shares_sign_in_with("a@x.org", &code(), "b@x.org"));
    }

    #[test]
    fn an_address_of_a_service_is_https_and_nothing_else_stands_in_it() {
        for (text, expected) in [
            ("https://login.microsoftonline.us", "https://login.microsoftonline.us"),
            ("HTTPS://Sso.Example.com:8443/oauth/token/", "https://sso.example.com:8443/oauth/token"),
            ("http://127.0.0.1:3001/x", "http://127.0.0.1:3001/x"),
            ("http://localhost:3001", "http://localhost:3001"),
            ("https://[2001:db8::1]:8443/t", "https://[2001:db8::1]:8443/t"),
        ] {
            assert_eq!(service_url(text).as_deref(), Ok(expected), "{text}");
        }
        for text in [
            "",
            "login.microsoftonline.com",
            "http://login.microsoftonline.com",
            "https://user@login.example.com",
            "https://login.example.com/?x=1",
            "https://login.example.com/#x",
            "https://login.example.com/a/../b",
            "https://login.example.com/a b",
            "https://login.example.com:0/",
            "https://login.example.com:x/",
            "https:///token",
            "https://exa\r\nmple.com",
            "ftp://login.example.com",
            "http://127.0.0.1.example.com",
        ] {
            assert!(matches!(service_url(text), Err(FieldError::NotAServiceUrl { .. })), "{text}");
        }
        assert!(matches!(service_url(&format!("https://x.org/{}", "a".repeat(300))), Err(FieldError::TooLong { .. })));
    }
}
