//! Signing in with a password or an access token (RFC 4954): which mechanism, and what each one says.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::secret::Secret;
use md5::{Digest as _, Md5};
use zeroize::Zeroizing;

use super::Credential;

/// The mechanisms that we know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mechanism {
    /// RFC 4616.
    Plain,
    /// Never standardised, offered by most.
    Login,
    /// RFC 2195: the password itself stays here.
    CramMd5,
    /// Google's and Microsoft's, with an access token.
    Xoauth2,
    /// The same as a standard has it (RFC 7628).
    OauthBearer,
}

impl Mechanism {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::Login => "LOGIN",
            Self::CramMd5 => "CRAM-MD5",
            Self::Xoauth2 => "XOAUTH2",
            Self::OauthBearer => "OAUTHBEARER",
        }
    }

    /// Those that the server offers (in upper case) and `credential` fits, in the order in which they are tried: in clear
    /// the one first that keeps the password, else the one that most servers do well.
    pub(super) fn among(offered: &[String], encrypted: bool, credential: &Credential) -> Vec<Self> {
        let order: &[Self] = match credential {
            Credential::AccessToken(_) => &[Self::Xoauth2, Self::OauthBearer],
            Credential::Password(_) if encrypted => &[Self::Plain, Self::Login, Self::CramMd5],
            Credential::Password(_) => &[Self::CramMd5, Self::Plain, Self::Login],
        };
        order.iter().copied().filter(|mechanism| offered.iter().any(|name| name == mechanism.name())).collect()
    }
}

/// Something to say in a sign-in, and what the transcript shows instead.
pub(super) struct Said {
    pub(super) line: Zeroizing<String>,
    pub(super) shown: &'static str,
    /// What must not be seen of it, should the server repeat it, besides the password or token itself.
    pub(super) secrets: Vec<Zeroizing<String>>,
    /// What it says: a secret and what stands around it.
    pub(super) payload: Option<Zeroizing<String>>,
}

impl Said {
    fn plainly(line: &'static str) -> Self {
        Self { line: Zeroizing::new(line.to_owned()), shown: line, secrets: Vec::new(), payload: None }
    }
}

/// One sign-in: what we say first, and what to each challenge.
pub(super) struct SignIn<'a> {
    mechanism: Mechanism,
    username: &'a str,
    secret: &'a Secret,
    answered: usize,
    reason: Option<Vec<u8>>,
}

/// The most bytes of a command line (RFC 5321 section 4.5.3.1.4), its end not counted.
const MAX_COMMAND: usize = 510;

impl<'a> SignIn<'a> {
    pub(super) const fn new(mechanism: Mechanism, username: &'a str, secret: &'a Secret) -> Self {
        Self { mechanism, username, secret, answered: 0, reason: None }
    }

    /// The command; with what the mechanism says first, where it says something first and the line has room for it.
    pub(super) fn begin(&mut self) -> Said {
        let (bare, inline, payload) = match self.mechanism {
            Mechanism::Login => return Said::plainly("AUTH LOGIN"),
            Mechanism::CramMd5 => return Said::plainly("AUTH CRAM-MD5"),
            Mechanism::Plain => ("AUTH PLAIN", "AUTH PLAIN [credentials]", self.plain()),
            Mechanism::Xoauth2 => ("AUTH XOAUTH2", "AUTH XOAUTH2 [token]", self.bearer()),
            Mechanism::OauthBearer => ("AUTH OAUTHBEARER", "AUTH OAUTHBEARER [token]", self.bearer()),
        };
        let line = Zeroizing::new(format!("{bare} {}", *encode(payload.as_bytes())));
        if line.len() > MAX_COMMAND {
            return Said::plainly(bare);
        }
        self.answered = 1;
        Said { line, shown: inline, secrets: Vec::new(), payload: Some(payload) }
    }

    /// What to say to the text of a 334 reply; `None` where there is nothing more to say.
    pub(super) fn answer(&mut self, challenge: &str) -> Option<Said> {
        self.answered += 1;
        let (payload, shown) = match (self.mechanism, self.answered) {
            (Mechanism::Plain, 1) => (self.plain(), "[credentials]"),
            (Mechanism::Xoauth2 | Mechanism::OauthBearer, 1) => (self.bearer(), "[token]"),
            // The token was refused; an empty line, or a lone ^A (RFC 7628 section 3.2.3), asks for the reply that says so.
            (Mechanism::Xoauth2 | Mechanism::OauthBearer, 2) => {
                self.reason = Some(STANDARD.decode(challenge.trim()).unwrap_or_else(|_| challenge.into()));
                return Some(Said::plainly(if self.mechanism == Mechanism::Xoauth2 { "" } else { "AQ==" }));
            }
            (Mechanism::Login, 1) => (Zeroizing::new(self.username.to_owned()), "[username]"),
            (Mechanism::Login, 2) => (Zeroizing::new(self.secret.expose().to_owned()), "[password]"),
            (Mechanism::CramMd5, 1) => {
                let challenge = STANDARD.decode(challenge.trim()).ok()?;
                let digest = hmac_md5(self.secret.expose().as_bytes(), &challenge);
                let hex = digest.iter().flat_map(|byte| [byte >> 4, byte & 15]).filter_map(|n| char::from_digit(n.into(), 16));
                let digest = Zeroizing::new(hex.collect::<String>());
                let payload = Zeroizing::new(format!("{} {}", self.username, *digest));
                // Whoever has digest and challenge can try passwords until one fits.
                let line = encode(payload.as_bytes());
                return Some(Said { line, shown: "[response]", secrets: vec![digest], payload: Some(payload) });
            }
            _ => return None,
        };
        // The username is shown elsewhere; hiding it here would tear holes into lines that name it.
        let line = encode(payload.as_bytes());
        Some(Said { line, shown, secrets: Vec::new(), payload: (shown != "[username]").then_some(payload) })
    }

    /// What the server gave as reason besides its reply: with XOAUTH2, JSON.
    pub(super) fn reason(&self) -> Option<&[u8]> {
        self.reason.as_deref()
    }

    fn plain(&self) -> Zeroizing<String> {
        Zeroizing::new(format!("\0{}\0{}", self.username, self.secret.expose()))
    }

    fn bearer(&self) -> Zeroizing<String> {
        let token = self.secret.expose();
        Zeroizing::new(match self.mechanism {
            // A name in GS2 (RFC 5801 section 4) has its commas and equals signs escaped.
            Mechanism::OauthBearer => {
                let name = self.username.replace('=', "=3D").replace(',', "=2C");
                format!("n,a={name},\u{1}auth=Bearer {token}\u{1}\u{1}")
            }
            _ => format!("user={}\u{1}auth=Bearer {token}\u{1}\u{1}", self.username),
        })
    }
}

/// Whether this can be a bearer token (RFC 6750 section 2.1); anything else could change what is said around it.
pub(super) fn is_token(secret: &Secret) -> bool {
    let text = secret.expose();
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b',' && byte != b'"')
}

fn encode(bytes: &[u8]) -> Zeroizing<String> {
    Zeroizing::new(STANDARD.encode(bytes))
}

/// RFC 2104 with MD5. Good for this one old mechanism only.
fn hmac_md5(key: &[u8], message: &[u8]) -> [u8; 16] {
    const BLOCK: usize = 64;
    let mut block = Zeroizing::new([0_u8; BLOCK]);
    if key.len() > BLOCK {
        block[..16].copy_from_slice(&Md5::digest(key));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let padded = |pad: u8| Zeroizing::new(block.map(|byte| byte ^ pad));
    let inner = Md5::new().chain_update(*padded(0x36)).chain_update(message).finalize();
    Md5::new().chain_update(*padded(0x5c)).chain_update(inner).finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_mechanism_says_what_its_standard_wants_and_shows_nothing_of_it() {
        let password = Secret::new("fake-pa\u{df}word".into());
        let mut plain = SignIn::new(Mechanism::Plain, "anna", &password);
        let first = plain.begin();
        let encoded = first.line.strip_prefix("AUTH PLAIN ").unwrap();
        assert_eq!(STANDARD.decode(encoded).unwrap(), "\0anna\0fake-pa\u{df}word".as_bytes());
        assert_eq!(first.shown, "AUTH PLAIN [credentials]");
        assert!(plain.answer("").is_none());

        let mut login = SignIn::new(Mechanism::Login, "anna", &password);
        assert_eq!(*login.begin().line, "AUTH LOGIN");
        let said: Vec<Said> = std::iter::from_fn(|| login.answer("whatever it asks")).collect();
        let decoded: Vec<_> = said.iter().map(|said| STANDARD.decode(&*said.line).unwrap()).collect();
        assert_eq!(decoded, [b"anna".to_vec(), "fake-pa\u{df}word".as_bytes().to_vec()]);
        assert!(said.iter().all(|said| said.shown.starts_with('[')));
    }

    #[test]
    fn cram_md5_answers_as_in_rfc_2195() {
        let password = Secret::new("tanstaaftanstaaf".into());
        let mut cram = SignIn::new(Mechanism::CramMd5, "tim", &password);
        assert_eq!(*cram.begin().line, "AUTH CRAM-MD5");
        let challenge = "PDE4OTYuNjk3MTcwOTUyQHBvc3RvZmZpY2UucmVzdG9uLm1jaS5uZXQ+";
        let answer = cram.answer(challenge).unwrap();
        assert_eq!(*answer.line, "dGltIGI5MTNhNjAyYzdlZGE3YTQ5NWI0ZTZlNzMzNGQzODkw");
        assert_eq!(answer.shown, "[response]");
        assert!(SignIn::new(Mechanism::CramMd5, "tim", &password).answer("no base64!").is_none());
    }

    #[test]
    fn xoauth2_says_the_token_once_and_then_listens() {
        let token = Secret::new("fake-token".into());
        let mut xoauth2 = SignIn::new(Mechanism::Xoauth2, "anna@example.com", &token);
        let first = xoauth2.begin();
        // As Microsoft and Google document it.
        let expected = "user=anna@example.com\u{1}auth=Bearer fake-token\u{1}\u{1}";
        assert_eq!(STANDARD.decode(first.line.strip_prefix("AUTH XOAUTH2 ").unwrap()).unwrap(), expected.as_bytes());
        assert_eq!((first.shown, first.payload.as_deref().map(String::as_str)), ("AUTH XOAUTH2 [token]", Some(expected)));
        assert!(xoauth2.reason().is_none());
        let empty = xoauth2.answer(&STANDARD.encode(r#"{"status":"401"}"#)).unwrap();
        assert_eq!((empty.line.as_str(), empty.shown), ("", ""));
        assert_eq!(xoauth2.reason(), Some(br#"{"status":"401"}"#.as_slice()));
        assert!(xoauth2.answer("more").is_none());

        let long = Secret::new("x".repeat(2_000));
        let mut xoauth2 = SignIn::new(Mechanism::Xoauth2, "anna@example.com", &long);
        assert_eq!(*xoauth2.begin().line, "AUTH XOAUTH2");
        assert!(STANDARD.decode(&*xoauth2.answer("").unwrap().line).unwrap().len() > 2_000);
        assert_eq!(*xoauth2.answer("not base64").unwrap().line, "");
        assert_eq!(xoauth2.reason(), Some(b"not base64".as_slice()));
    }

    #[test]
    fn hmac_md5_as_in_rfc_2202() {
        let hex = |digest: [u8; 16]| digest.map(|byte| format!("{byte:02x}")).concat();
        assert_eq!(hex(hmac_md5(b"Jefe", b"what do ya want for nothing?")), "750c783e6ab0b503eaa86e310a5db738");
        let long = b"Test Using Larger Than Block-Size Key - Hash Key First";
        assert_eq!(hex(hmac_md5(&[0xaa; 80], long)), "6b1ab7fe4bd7bf8f0b62e6ce61b9d0cd");
    }

    #[test]
    fn a_long_password_does_not_make_a_command_too_long() {
        let password = Secret::new("x".repeat(1024));
        let mut plain = SignIn::new(Mechanism::Plain, "anna", &password);
        assert_eq!(*plain.begin().line, "AUTH PLAIN");
        assert_eq!(STANDARD.decode(&*plain.answer("").unwrap().line).unwrap().len(), 1024 + 6);
        assert!(plain.answer("").is_none());
    }

    #[test]
    fn the_order_depends_on_encryption_and_the_unknown_is_left_out() {
        let offered = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
        let all = offered(&["XOAUTH2", "LOGIN", "CRAM-MD5", "PLAIN"]);
        let password = Credential::Password(Secret::default());
        let token = Credential::AccessToken(Secret::default());
        assert_eq!(Mechanism::among(&all, true, &token), [Mechanism::Xoauth2]);
        assert_eq!(Mechanism::among(&offered(&["PLAIN"]), true, &token), []);
        assert_eq!(Mechanism::among(&all, true, &password), [Mechanism::Plain, Mechanism::Login, Mechanism::CramMd5]);
        assert_eq!(Mechanism::among(&all, false, &password)[0], Mechanism::CramMd5);
        assert_eq!(Mechanism::among(&offered(&["XOAUTH2"]), true, &password), []);
    }
}
