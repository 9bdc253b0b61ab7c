//! Signing in with a password (RFC 4954): which mechanism, and what each one says.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::secret::Secret;
use zeroize::Zeroizing;

/// The mechanisms with a password that we know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mechanism {
    /// RFC 4616.
    Plain,
    /// Never standardised, offered by most.
    Login,
}

impl Mechanism {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::Login => "LOGIN",
        }
    }

    /// Those that the server offers (in upper case), in the order in which they are tried.
    pub(super) fn among(offered: &[String]) -> Vec<Self> {
        [Self::Plain, Self::Login].into_iter().filter(|mechanism| offered.iter().any(|name| name == mechanism.name())).collect()
    }
}

/// Something to say in a sign-in, and what the transcript shows instead.
pub(super) struct Said {
    pub(super) line: Zeroizing<String>,
    pub(super) shown: String,
}

/// The most bytes of a command line (RFC 5321 section 4.5.3.1.4), its end not counted.
const MAX_COMMAND: usize = 510;

/// The command that begins, and the answers to the 334 replies that follow, in order.
pub(super) fn script(mechanism: Mechanism, username: &str, password: &Secret) -> (Said, Vec<Said>) {
    let encode = |bytes: &[u8]| Zeroizing::new(STANDARD.encode(bytes));
    let begin = |line: String| Said { shown: line.clone(), line: Zeroizing::new(line) };
    match mechanism {
        Mechanism::Plain => {
            let message = Zeroizing::new(format!("\0{username}\0{}", password.expose()));
            let answer = encode(message.as_bytes());
            let inline = Zeroizing::new(format!("AUTH PLAIN {}", *answer));
            if inline.len() <= MAX_COMMAND {
                (Said { line: inline, shown: "AUTH PLAIN [credentials]".into() }, Vec::new())
            } else {
                (begin("AUTH PLAIN".into()), vec![Said { line: answer, shown: "[credentials]".into() }])
            }
        }
        Mechanism::Login => (
            begin("AUTH LOGIN".into()),
            vec![
                Said { line: encode(username.as_bytes()), shown: "[username]".into() },
                Said { line: encode(password.expose().as_bytes()), shown: "[password]".into() },
            ],
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_mechanism_says_what_its_standard_wants_and_shows_nothing_of_it() {
        let password = Secret::new("fake-pa\u{df}word".into());
        let (first, rest) = script(Mechanism::Plain, "anna", &password);
        assert!(rest.is_empty());
        let encoded = first.line.strip_prefix("AUTH PLAIN ").unwrap();
        assert_eq!(STANDARD.decode(encoded).unwrap(), "\0anna\0fake-pa\u{df}word".as_bytes());
        assert_eq!(first.shown, "AUTH PLAIN [credentials]");

        let (first, rest) = script(Mechanism::Login, "anna", &password);
        assert_eq!(*first.line, "AUTH LOGIN");
        let decoded: Vec<_> = rest.iter().map(|said| STANDARD.decode(&*said.line).unwrap()).collect();
        assert_eq!(decoded, [b"anna".to_vec(), "fake-pa\u{df}word".as_bytes().to_vec()]);
        assert!(rest.iter().all(|said| said.shown.starts_with('[')));
    }

    #[test]
    fn a_long_password_does_not_make_a_command_too_long() {
        let password = Secret::new("x".repeat(1024));
        let (first, rest) = script(Mechanism::Plain, "anna", &password);
        assert_eq!(*first.line, "AUTH PLAIN");
        assert_eq!(rest.len(), 1);
    }

    #[test]
    fn plain_goes_before_login_and_the_unknown_is_left_out() {
        let offered = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
        assert_eq!(Mechanism::among(&offered(&["XOAUTH2", "LOGIN", "PLAIN"])), [Mechanism::Plain, Mechanism::Login]);
        assert_eq!(Mechanism::among(&offered(&["XOAUTH2"])), []);
    }
}
