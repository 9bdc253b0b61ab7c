//! Tokens that aren't granted: what a refusal means, and what is no sign-in service at all.

use std::time::Duration;

use domain::smtp_server::SmtpServer;
use domain::transcript::{Cause, Stage, What};
use tokio::net::TcpListener;

use super::super::canary::CANARY;
use super::super::mailer;
use super::super::peer::{Act, Mute, Peer};
use super::super::sign_in_service::{Service, http, json};
use super::{TOKEN, answered, azure, change, granted, stopped};

#[tokio::test]
async fn each_number_has_its_meaning_and_what_support_asks_for_is_shown() {
    let table: [(u32, Cause, &str); 33] = [
        (7_000_218, Cause::TokenPublicClientOff, "public_client_off"),
        (700_025, Cause::TokenSecretUnwanted, "secret_unwanted"),
        (50126, Cause::TokenPasswordWrong, "oauth_password_wrong"),
        (50034, Cause::TokenUserUnknown, "oauth_user_unknown"),
        (50055, Cause::TokenPasswordExpired, "oauth_password_expired"),
        (50053, Cause::TokenAccountLocked, "oauth_account_locked"),
        (50057, Cause::TokenAccountDisabled, "oauth_account_disabled"),
        (50076, Cause::TokenMoreFactors, "oauth_more_factors"),
        (50079, Cause::TokenMoreFactors, "oauth_more_factors"),
        (50072, Cause::TokenMoreFactors, "oauth_more_factors"),
        (50074, Cause::TokenMoreFactors, "oauth_more_factors"),
        (50158, Cause::TokenMoreFactors, "oauth_more_factors"),
        (53003, Cause::TokenConditionalAccess, "oauth_conditional_access"),
        (530_032, Cause::TokenConditionalAccess, "oauth_conditional_access"),
        (530_035, Cause::TokenConditionalAccess, "oauth_conditional_access"),
        (65001, Cause::TokenConsentMissing, "oauth_consent_missing"),
        (650_056, Cause::TokenConsentMissing, "oauth_consent_missing"),
        (650_057, Cause::TokenConsentMissing, "oauth_consent_missing"),
        (90094, Cause::TokenConsentMissing, "oauth_consent_missing"),
        (700_016, Cause::TokenWrongApplication, "oauth_wrong_application"),
        (90002, Cause::TokenWrongApplication, "oauth_wrong_application"),
        (50194, Cause::TokenWrongApplication, "oauth_wrong_application"),
        (50020, Cause::TokenWrongApplication, "oauth_wrong_application"),
        (7_000_215, Cause::TokenSecretWrong, "oauth_secret_wrong"),
        (7_000_222, Cause::TokenSecretExpired, "oauth_secret_expired"),
        (700_082, Cause::TokenSignInOver, "oauth_sign_in_over"),
        (50173, Cause::TokenSignInOver, "oauth_sign_in_over"),
        (70008, Cause::TokenSignInOver, "oauth_sign_in_over"),
        (70043, Cause::TokenSignInOver, "oauth_sign_in_over"),
        (50078, Cause::TokenSignInOver, "oauth_sign_in_over"),
        (700_027, Cause::TokenCertificateUnknown, "oauth_certificate_unknown"),
        (700_024, Cause::TokenClockWrong, "oauth_clock_wrong"),
        (4_711, Cause::TokenRefused, "oauth_refused"),
    ];
    for (code, cause, kind) in table {
        let body = format!(
            r#"{{"error":"invalid_grant","error_description":"AADSTS{code}: no. {CANARY}","error_codes":[{code}],
               "timestamp":"2026-11-26 09:00:00Z","trace_id":"trace-1","correlation_id":"correlation-2"}}"#
        );
        let run = answered(json("400 Bad Request", &body)).await;
        assert_eq!(run.failure(), (Stage::Token, Some(cause), kind), "{code}");
        let evidence = run.finished.diagnosis.unwrap().evidence.unwrap();
        let lines = ["Trace id: trace-1", "Correlation id: correlation-2", "Time: 2026-11-26 09:00:00Z"];
        assert_eq!(evidence, format!("invalid_grant: AADSTS{code}: no. [redacted]\n{}", lines.join("\n")));
    }
}

#[tokio::test]
async fn a_refusal_has_its_lines_and_none_that_the_service_makes_up() {
    let description = "AADSTS1: no \\u001b[31m\\u202e at all.\\r\\nTrace ID: t-9";
    let long = "x".repeat(3_000);
    for (description, expected) in [(description, "AADSTS1: no \\x1B[31m\\u{202e} at all."), (&long, &long[..400])] {
        let body = format!(
            r#"{{"error":"invalid_grant\nTrace id: t-8","error_description":"{description}","error_codes":[1],
               "trace_id":"t-1\nCorrelation id: c-9\r","correlation_id":"c-2\u0007"}}"#
        );
        let run = answered(json("400 Bad Request", &body)).await;
        let evidence = run.finished.diagnosis.unwrap().evidence.unwrap();
        assert_eq!(evidence, format!("invalid_grant: {expected}\nTrace id: t-1\nCorrelation id: c-2\\x07"));
    }
}

#[tokio::test]
async fn what_is_no_sign_in_service_is_told_from_one() {
    let unreadable = Cause::TokenAnswerUnreadable;
    let long = format!("\"{}\"", "x".repeat(5 << 20));
    let moved = "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    for (answer, cause) in [
        (http("200 OK", "text/html", "<html>Sign in to the network</html>"), unreadable),
        (moved.to_owned(), unreadable),
        (json("200 OK", &long), unreadable),
        (json("200 OK", "{}"), unreadable),
        (json("200 OK", r#"{"access_token":7}"#), unreadable),
        (json("200 OK", &format!(r#"{{"access_token":"{TOKEN}","token_type":"mac"}}"#)), unreadable),
        (json("400 Bad Request", "null"), unreadable),
        (json("302 Found", r#"{"error":"invalid_grant"}"#), unreadable),
        (http("200 OK", "application/jsonp", "{}"), unreadable),
        ("220 mail.test ESMTP\r\n".to_owned(), unreadable),
        (String::new(), Cause::Closed),
        (http("503 Service Unavailable", "text/html", "later"), Cause::TokenServiceBusy),
        (http("429 Too Many Requests", "text/plain", "later"), Cause::TokenServiceBusy),
        (json("503 Service Unavailable", r#"{"error":"temporarily_unavailable"}"#), Cause::TokenServiceBusy),
    ] {
        let run = answered(answer.clone()).await;
        assert_eq!((run.finished.stage, run.finished.cause), (Stage::Token, Some(cause)), "{answer:.80}");
        assert!(run.took < Duration::from_secs(8), "{:?}", run.took);
    }
}

#[tokio::test]
async fn a_service_that_is_silent_or_not_there_ends_in_time() {
    let mute = Mute::on(([127, 0, 0, 1], 0).into());
    let run = stopped(mailer(None).with_authority(format!("http://{}", mute.address)), azure).await;
    assert_eq!(run.failure(), (Stage::Token, Some(Cause::Timeout), "oauth_unreachable"));
    // One that takes the request, and says nothing to it or never comes to an end.
    let deaf = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let run = stopped(mailer(None).with_authority(format!("http://{}", deaf.local_addr().unwrap())), azure).await;
    assert_eq!(run.failure(), (Stage::Token, Some(Cause::Timeout), "oauth_unreachable"));
    let dripping = Peer::new(vec![vec![Act::Hear("POST"), Act::Drip(b"HTTP/1.1 ")]]).await;
    let run = stopped(mailer(None).with_authority(format!("http://{}", dripping.address)), azure).await;
    assert_eq!(run.finished.stage, Stage::Token, "{:?}", run.finished);
    assert!(run.took < Duration::from_secs(3), "{:?}", run.took);
    let nobody = TcpListener::bind(("127.0.0.1", 0)).await.unwrap().local_addr().unwrap();
    let run = stopped(mailer(None).with_authority(format!("http://{nobody}")), azure).await;
    assert_eq!(run.failure(), (Stage::Token, Some(Cause::ConnectionRefused), "oauth_unreachable"));
    let run = stopped(mailer(None).with_authority("https://login.invalid"), azure).await;
    assert_eq!(run.failure(), (Stage::Token, Some(Cause::NameNotFound), "oauth_unreachable"));
}

#[tokio::test]
async fn nothing_leaves_this_machine_in_clear() {
    let run = stopped(mailer(None).with_authority("http://login.example.com"), azure).await;
    assert_eq!(run.failure(), (Stage::Token, Some(Cause::TokenInClear), "oauth_in_clear"));

    // Not even to this machine, where an entry only wants it.
    let service = Service::new(granted(), None).await;
    let own = |server: &mut SmtpServer| {
        azure(server);
        change(server, |oauth| oauth.authority = Some(service.url()));
    };
    let run = stopped(mailer(None), own).await;
    assert_eq!(run.failure(), (Stage::Token, Some(Cause::TokenInClear), "oauth_in_clear"));
    assert!(service.requests().is_empty());
}

#[tokio::test]
async fn a_token_that_could_change_what_is_said_around_it_is_none() {
    let long = "x".repeat((16 << 10) + 1);
    for token in ["a\\r\\nRCPT TO:<x@example.org>", "a\\u0001auth=Bearer b\\u0001\\u0001", "a\\u0000", "a b", "a,b", "ä", "", &long]
    {
        let body = format!(r#"{{"token_type":"Bearer","expires_in":3599,"access_token":"{token}"}}"#);
        let run = answered(json("200 OK", &body)).await;
        assert_eq!(run.failure(), (Stage::Token, Some(Cause::TokenAnswerUnreadable), "oauth_no_service"), "{token:.40}");
        let told = run.events.iter().any(|event| matches!(&event.what, What::Passed { .. }));
        assert!(!told && !run.shown().contains("RCPT"), "{}", run.shown());
    }
}
