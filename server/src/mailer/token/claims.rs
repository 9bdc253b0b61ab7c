//! What a token says of itself, where it is a JWT (RFC 7519). It comes straight from the service that was asked, over a connection that
//! was verified, so its signature isn't looked at; and it decides nothing but what is shown, and whether it answers our question.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::secret::Secret;
use domain::words;
use serde::Deserialize;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// The most characters of a claim that are shown.
const MAX_SHOWN: usize = 254;

/// What is read of a token.
#[derive(Debug, Default)]
pub(super) struct Claims {
    /// Whose it is.
    pub(super) account: Option<String>,
    /// Whom it is for.
    pub(super) audience: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Raw {
    aud: Audience,
    preferred_username: Option<String>,
    upn: Option<String>,
    unique_name: Option<String>,
    email: Option<String>,
    app_displayname: Option<String>,
    nonce: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(untagged)]
enum Audience {
    #[default]
    None,
    One(String),
    Many(Vec<String>),
}

impl Audience {
    fn all(self) -> Vec<String> {
        match self {
            Self::None => Vec::new(),
            Self::One(one) => vec![one],
            Self::Many(many) => many,
        }
    }
}

/// What can be shown of a token; nothing where it is opaque.
pub(super) fn of(token: &Secret) -> Claims {
    let Some(raw) = raw(token) else { return Claims::default() };
    let mut account = [raw.preferred_username, raw.upn, raw.email, raw.unique_name, raw.app_displayname].into_iter().flatten();
    let audience = raw.aud.all().into_iter().next();
    Claims { account: account.find_map(|text| shown(&text)), audience: audience.and_then(|text| shown(&text)) }
}

/// Whether what says whose a token is was made for this application, and in answer to the question with this `nonce` (`OpenID` Connect
/// Core section 3.1.3.7).
pub(super) fn is_answer_to(id_token: &Secret, application_id: &str, nonce: &Secret) -> bool {
    let Some(raw) = raw(id_token) else { return false };
    let asked = raw.nonce.is_some_and(|said| bool::from(said.as_bytes().ct_eq(nonce.expose().as_bytes())));
    asked && raw.aud.all().iter().any(|audience| audience == application_id)
}

fn raw(token: &Secret) -> Option<Raw> {
    let mut parts = token.expose().split('.');
    let (_, payload, _) = (parts.next()?, parts.next()?, parts.next()?);
    let payload = Zeroizing::new(URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?);
    serde_json::from_slice(&payload).ok()
}

/// A claim as it is shown: short, and with nothing in it that couldn't be seen.
fn shown(text: &str) -> Option<String> {
    let text: String = text.chars().filter(|c| !c.is_control() && !words::is_invisible(*c)).take(MAX_SHOWN).collect();
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(payload: &str) -> Secret {
        Secret::new(format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(payload)))
    }

    #[test]
    fn what_a_token_says_of_itself_is_shown_and_nothing_else() {
        let claims = of(&token(r#"{"aud":"https://outlook.office.com","upn":"scan@x.org","scp":"SMTP.Send"}"#));
        assert_eq!(
            (claims.audience.as_deref(), claims.account.as_deref()),
            (Some("https://outlook.office.com"), Some("scan@x.org"))
        );
        let many = of(&token(r#"{"aud":["a","b"],"email":"e@x.org\u202e\n"}"#));
        assert_eq!((many.audience.as_deref(), many.account.as_deref()), (Some("a"), Some("e@x.org")));
        for opaque in ["ya29.opaque", "", "a.b.c", "a.!!.c", "e30.bnVsbA.x"] {
            let claims = of(&Secret::new(opaque.into()));
            assert!(claims.account.is_none() && claims.audience.is_none(), "{opaque}");
        }
    }

    #[test]
    fn an_answer_to_another_question_is_none() {
        let nonce = Secret::new("n-1".into());
        let good = token(r#"{"aud":"app","nonce":"n-1"}"#);
        assert!(is_answer_to(&good, "app", &nonce));
        for (payload, why) in [
            (r#"{"aud":"app","nonce":"n-2"}"#, "another nonce"),
            (r#"{"aud":"app"}"#, "no nonce"),
            (r#"{"aud":"other","nonce":"n-1"}"#, "another application"),
            ("nonsense", "no JSON"),
        ] {
            assert!(!is_answer_to(&token(payload), "app", &nonce), "{why}");
        }
    }
}
