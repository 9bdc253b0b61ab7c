//! Access tokens for sign-in: where they are asked for, and what a refusal means (RFC 6749; Microsoft's error numbers). Asking is the
//! server's affair.

mod checklist;
mod settings;
mod state;

use serde::{Deserialize, Serialize};

pub use checklist::{Item, checklist};
pub use settings::{Endpoints, MAX_APPLICATION_ID, MAX_SCOPE, MAX_SERVICE_URL, Oauth, Provider, Strategy, service_url};
pub use state::{DeviceCode, DeviceState, SignInFailing, SignInNote, SignInState, SignInView};

use crate::transcript::Cause;

/// Microsoft's sign-in service of the public cloud.
pub const MICROSOFT: &str = "https://login.microsoftonline.com";
/// What a token of a person is for: to send by SMTP, and to be renewed.
pub const SMTP_SEND: &str = "https://outlook.office.com/SMTP.Send offline_access";
/// What a token of an application is for: everything that was consented to, which has to be SMTP.SendAsApp.
pub const SMTP_SEND_AS_APP: &str = "https://outlook.office365.com/.default";

/// Whether a token for this audience can be one for mail. Only Microsoft's are known; others' say nothing to us.
pub fn is_for_mail(provider: Provider, audience: &str) -> bool {
    let host = audience.split_once("://").map_or(audience, |(_, rest)| rest).trim_end_matches('/');
    provider != Provider::Microsoft
        || ["outlook.office.com", "outlook.office365.com", "outlook.office365.us", "partner.outlook.cn"].contains(&host)
        || host.strip_suffix(".outlook.office365.us").is_some()
        // Office 365 Exchange Online by its number.
        || host == "00000002-0000-0ff1-ce00-000000000000"
}

/// Why a token was refused, as the service says it (RFC 6749 section 5.2, and Microsoft's additions). All of it is foreign text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The kind, such as `invalid_grant`.
    pub error: String,
    /// In words.
    #[serde(default)]
    pub error_description: String,
    /// Microsoft's numbers, the one that matters first.
    #[serde(default)]
    pub error_codes: Vec<u32>,
    /// What Microsoft's support asks for.
    #[serde(default)]
    pub trace_id: String,
    /// The same for the request.
    #[serde(default)]
    pub correlation_id: String,
    /// When, as the service writes it.
    #[serde(default)]
    pub timestamp: String,
}

/// The most characters of a description that are shown: Microsoft's longest sentences have about 300.
const MAX_DESCRIPTION: usize = 400;
/// The most characters of everything else: a GUID has 36.
const MAX_ID: usize = 64;

/// The numbers (AADSTS) that tell more than the kind does.
const NUMBERS: &[(&[u32], Cause)] = &[
    (&[7_000_218], Cause::TokenPublicClientOff),
    (&[700_025], Cause::TokenSecretUnwanted),
    (&[50126], Cause::TokenPasswordWrong),
    (&[50034], Cause::TokenUserUnknown),
    (&[50055], Cause::TokenPasswordExpired),
    (&[50053], Cause::TokenAccountLocked),
    (&[50057], Cause::TokenAccountDisabled),
    (&[50076, 50079, 50072, 50074, 50158], Cause::TokenMoreFactors),
    (&[53003, 530_032, 530_035], Cause::TokenConditionalAccess),
    (&[65001, 650_056, 650_057, 90094], Cause::TokenConsentMissing),
    (&[700_016, 90002, 50194, 50020], Cause::TokenWrongApplication),
    (&[7_000_215], Cause::TokenSecretWrong),
    (&[7_000_222], Cause::TokenSecretExpired),
    (&[700_027], Cause::TokenCertificateUnknown),
    (&[700_024], Cause::TokenClockWrong),
    (&[700_082, 70008, 50173, 70043, 50078], Cause::TokenSignInOver),
];

impl Refusal {
    /// What it means. The numbers only choose among refusals: whether it is one says the kind.
    pub fn cause(&self) -> Cause {
        let numbered = self.error_codes.iter().find_map(|code| NUMBERS.iter().find(|(codes, _)| codes.contains(code)));
        match (numbered, self.error.as_str()) {
            (Some((_, cause)), _) => *cause,
            (None, "temporarily_unavailable" | "server_error" | "slow_down") => Cause::TokenServiceBusy,
            (None, "authorization_declined" | "access_denied") => Cause::TokenDeclined,
            (None, "expired_token" | "code_expired") => Cause::TokenCodeExpired,
            (None, _) => Cause::TokenRefused,
        }
    }

    /// It on a few lines, for the details of a failure; with what support asks for. Each of its texts has a line of its own at most, so
    /// that none can pass for another, and none leaves the others no room.
    pub fn evidence(&self) -> String {
        let short = |text: &str, max: usize| text.lines().next().unwrap_or_default().chars().take(max).collect::<String>();
        let mut lines = vec![match (short(&self.error, MAX_ID), short(&self.error_description, MAX_DESCRIPTION)) {
            (error, words) if words.is_empty() => error,
            (error, words) => format!("{error}: {words}"),
        }];
        for (label, text) in [("Trace id", &self.trace_id), ("Correlation id", &self.correlation_id), ("Time", &self.timestamp)] {
            let text = short(text, MAX_ID);
            if !text.is_empty() {
                lines.push(format!("{label}: {text}"));
            }
        }
        lines.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_for_something_else_is_known() {
        for audience in ["https://outlook.office.com", "https://outlook.office365.com/", "00000002-0000-0ff1-ce00-000000000000"] {
            assert!(is_for_mail(Provider::Microsoft, audience), "{audience}");
        }
        for audience in
            ["https://graph.microsoft.com", "00000003-0000-0000-c000-000000000000", "https://outlook.office.com.evil.example"]
        {
            assert!(!is_for_mail(Provider::Microsoft, audience), "{audience}");
            assert!(is_for_mail(Provider::Other, audience), "{audience}");
        }
    }

    #[test]
    fn a_refusal_is_told_by_its_number_and_else_by_its_kind() {
        let refusal = |error: &str, codes: &[u32]| Refusal { error: error.into(), error_codes: codes.into(), ..Refusal::default() };
        assert_eq!(refusal("invalid_grant", &[50076]).cause(), Cause::TokenMoreFactors);
        assert_eq!(refusal("invalid_grant", &[1, 50126]).cause(), Cause::TokenPasswordWrong);
        assert_eq!(refusal("invalid_grant", &[]).cause(), Cause::TokenRefused);
        assert_eq!(refusal("temporarily_unavailable", &[]).cause(), Cause::TokenServiceBusy);
        let mut all: Vec<u32> = NUMBERS.iter().flat_map(|(codes, _)| codes.iter().copied()).collect();
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count, "no number has two meanings");
    }

    #[test]
    fn what_support_asks_for_stands_in_the_details() {
        let refusal = Refusal {
            error: "invalid_grant".into(),
            error_description: "AADSTS50126: Error validating credentials.\r\nTrace ID: x".into(),
            trace_id: "t-1".into(),
            correlation_id: "c-2".into(),
            ..Refusal::default()
        };
        let evidence = "invalid_grant: AADSTS50126: Error validating credentials.\nTrace id: t-1\nCorrelation id: c-2";
        assert_eq!(refusal.evidence(), evidence);
        let long = Refusal { error_description: "x".repeat(5_000), ..refusal.clone() };
        assert!(long.evidence().ends_with("x\nTrace id: t-1\nCorrelation id: c-2"), "{}", long.evidence());
        let forged = Refusal { error: "no\nTrace id: t-9".into(), trace_id: "t-1\nCorrelation id: c-9".into(), ..refusal };
        let evidence = "no: AADSTS50126: Error validating credentials.\nTrace id: t-1\nCorrelation id: c-2";
        assert_eq!(forged.evidence(), evidence);
    }
}
