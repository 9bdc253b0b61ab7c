//! What has to be set up at a sign-in service before an entry can sign in with a token, in order, with the entry's own values.

use super::{Provider, Strategy};
use crate::smtp_server::AzureOut;

/// Something to set up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// What, and where the switch is.
    pub text: String,
    /// What is typed or pasted there.
    pub line: Option<String>,
}

impl Item {
    fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), line: None }
    }

    fn with(text: impl Into<String>, line: impl Into<String>) -> Self {
        Self { text: text.into(), line: Some(line.into()) }
    }
}

/// What it takes for the account `username`, where somebody who signs in comes back to `redirect`.
pub fn checklist(username: &str, azure: &AzureOut, redirect: &str) -> Vec<Item> {
    match azure.provider {
        Provider::Microsoft => microsoft(username, azure, redirect),
        Provider::Google => google(redirect),
        Provider::Other => other(azure, redirect),
    }
}

fn google(redirect: &str) -> Vec<Item> {
    vec![
        Item::new("In the Google Cloud console, “APIs & Services”, enable the “Gmail API” for your project."),
        Item::with(
            "Under “OAuth consent screen” choose “Internal” if the mailbox belongs to your Google Workspace, and add the scope:",
            "https://mail.google.com/",
        ),
        Item::with(
            "Under “Credentials”, “Create credentials”, “OAuth client ID”, choose “Web application” and add this redirect URI:",
            redirect,
        ),
        Item::new("Enter the client ID as the Azure application id here, and the client secret as the SMTP password."),
        Item::new("Save, then press “Sign in” on this page, and sign in as the mailbox."),
    ]
}

fn other(azure: &AzureOut, redirect: &str) -> Vec<Item> {
    let mut items =
        vec![Item::new("Register an application at the provider, and enter its client id as the Azure application id here.")];
    match azure.strategy {
        Strategy::Password => items.push(Item::new("Allow it the grant “password”, as a public client.")),
        Strategy::ClientCredentials => {
            items.push(Item::new("Allow it the grant “client_credentials”, and enter its secret as the SMTP password here."));
        }
        Strategy::ClientCertificate => {
            items.push(Item::new(
                "Allow it the grant “client_credentials” with “private_key_jwt” (PS256), and register the certificate.",
            ));
        }
        Strategy::AuthorizationCode => {
            items.push(Item::with("Allow it the grant “authorization_code” with PKCE, and add this redirect URI:", redirect));
            items.push(Item::new("If it has a secret, enter that as the SMTP password here."));
        }
        Strategy::DeviceCode => items.push(Item::new("Allow it the device authorization grant (RFC 8628).")),
    }
    if azure.strategy.needs_a_person() {
        items.push(Item::new("See that it is given refresh tokens: most providers want “offline_access” in the scope for that."));
    }
    items
}

fn microsoft(username: &str, azure: &AzureOut, redirect: &str) -> Vec<Item> {
    let application_id = &azure.application_id;
    let sends_as = if azure.mailbox.is_empty() { username } else { &azure.mailbox };
    let (account, mailbox) = (quoted(username), quoted(sends_as));
    let tenant = azure.tenant.as_deref().or_else(|| username.rsplit_once('@').map(|(_, domain)| domain)).unwrap_or("your tenant");
    let mut items = vec![Item::with(
        format!(
            "In the Entra admin center of {tenant}, “App registrations”, open the app with this “Application (client) ID”, or register one for this tenant only:"
        ),
        application_id,
    )];
    let consent = Item::new("On the same page press “Grant admin consent”, and see that the status says “Granted”.");
    let public = Item::new("Under “Authentication”, “Settings”, set “Allow public client flows” to “Yes”, and save.");
    let delegated = Item::with(
        "Under “API permissions”, “Add a permission”, “APIs my organization uses”, “Office 365 Exchange Online”, “Delegated permissions”, tick:",
        "SMTP.Send",
    );
    match azure.strategy {
        Strategy::Password => {
            items.extend([public, delegated, consent]);
            items.push(Item::new(
                "See that no policy of Conditional Access and no security defaults demand multi-factor sign-in of this mailbox: this strategy can't pass it.",
            ));
        }
        Strategy::AuthorizationCode => {
            items.extend([
                Item::with(
                    "Under “Authentication”, “Add a platform”, choose “Mobile and desktop applications” and add this redirect URI; with a client secret choose “Web” instead:",
                    redirect,
                ),
                delegated,
                consent,
                Item::new("Save here, then press “Sign in” on this page, and sign in as the mailbox, not as an administrator."),
            ]);
        }
        Strategy::DeviceCode => {
            items.extend([
                public,
                delegated,
                consent,
                Item::new("See that no policy of Conditional Access blocks “Device code flow”: many tenants do."),
                Item::new("Save here, then press “Get a code” on this page."),
            ]);
        }
        Strategy::ClientCredentials => {
            items.push(Item::new(
                "Under “Certificates & secrets” make a “New client secret”, and enter its value, not its id, as the SMTP password here.",
            ));
            items.extend(of_the_application(application_id, tenant, &mailbox, consent));
        }
        Strategy::ClientCertificate => {
            items.extend([
                Item::with(
                    "On the client certificate's page of this server add a certificate with its RSA key, such as one made with:",
                    "openssl req -x509 -newkey rsa:3072 -nodes -days 730 -subj /CN=postroom -keyout postroom.key -out postroom.crt",
                ),
                Item::new("Under “Certificates & secrets”, “Certificates”, upload postroom.crt, never the key."),
            ]);
            items.extend(of_the_application(application_id, tenant, &mailbox, consent));
        }
    }
    if !azure.strategy.is_of_the_application() && account != mailbox {
        items.push(Item::with(
            "Let the account that signs in send as the shared mailbox, in Exchange Online PowerShell:",
            format!("Add-RecipientPermission -Identity {mailbox} -Trustee {account} -AccessRights SendAs"),
        ));
    }
    items.extend([
        Item::with(
            "Let the mailbox use SMTP AUTH, in Exchange Online PowerShell:",
            format!("Set-CASMailbox -Identity {mailbox} -SmtpClientAuthenticationDisabled $false"),
        ),
        Item::with(
            "See whether it may, a few minutes later:",
            format!("Get-CASMailbox -Identity {mailbox} | Format-List SmtpClientAuthenticationDisabled"),
        ),
    ]);
    items
}

fn of_the_application(application_id: &str, tenant: &str, mailbox: &str, consent: Item) -> Vec<Item> {
    let object = "the object id under “Enterprise applications”, which isn't the one under “App registrations”";
    vec![
        Item::with(
            "Under “API permissions”, “Add a permission”, “APIs my organization uses”, “Office 365 Exchange Online”, “Application permissions”, tick:",
            "SMTP.SendAsApp",
        ),
        consent,
        Item::with("Open Exchange Online PowerShell:", format!("Connect-ExchangeOnline -Organization {}", quoted(tenant))),
        Item::with(
            format!("Make the app known to Exchange; OBJECT_ID is {object}:"),
            format!("New-ServicePrincipal -AppId {application_id} -ObjectId OBJECT_ID"),
        ),
        Item::with(
            "Give it the mailbox:",
            format!("Add-MailboxPermission -Identity {mailbox} -User OBJECT_ID -AccessRights FullAccess"),
        ),
    ]
}

/// A text as PowerShell takes it, whatever it holds: only the quote itself means anything between single quotes. Those that it also takes for
/// quotes are doubled, too.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("'");
    for c in text.chars() {
        if matches!(c, '\'' | '\u{2018}' | '\u{2019}' | '\u{201a}' | '\u{201b}') {
            quoted.push(c);
        }
        quoted.push(c);
    }
    quoted.push('\'');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    const APPLICATION: &str = "11111111-2222-3333-4444-555555555555";
    const REDIRECT: &str = "https://post.example.com/oauth/callback";

    fn of(azure: AzureOut) -> Vec<String> {
        let azure = AzureOut { application_id: APPLICATION.into(), ..azure };
        checklist("scan@contoso.com", &azure, REDIRECT).into_iter().filter_map(|item| item.line).collect()
    }

    fn by(strategy: Strategy) -> Vec<String> {
        of(AzureOut { strategy, ..AzureOut::default() })
    }

    #[test]
    fn each_line_has_the_entrys_own_values() {
        let by_password = by(Strategy::Password);
        assert_eq!(by_password[..2], [APPLICATION, "SMTP.Send"]);
        assert_eq!(by_password[2], "Set-CASMailbox -Identity 'scan@contoso.com' -SmtpClientAuthenticationDisabled $false");
        for strategy in [Strategy::ClientCredentials, Strategy::ClientCertificate] {
            let lines = by(strategy);
            assert!(lines.contains(&"Connect-ExchangeOnline -Organization 'contoso.com'".to_owned()));
            assert!(lines.contains(&format!("New-ServicePrincipal -AppId {APPLICATION} -ObjectId OBJECT_ID")));
            assert!(lines.contains(&"SMTP.SendAsApp".to_owned()));
        }
        assert!(by(Strategy::AuthorizationCode).contains(&REDIRECT.to_owned()));
        assert!(!by(Strategy::DeviceCode).contains(&REDIRECT.to_owned()));
        assert!(by(Strategy::ClientCertificate).iter().any(|line| line.starts_with("openssl req -x509")));
    }

    #[test]
    fn who_sends_as_a_shared_mailbox_needs_to_be_allowed_to() {
        let lines = of(AzureOut { mailbox: "team@contoso.com".into(), strategy: Strategy::DeviceCode, ..AzureOut::default() });
        let line = "Add-RecipientPermission -Identity 'team@contoso.com' -Trustee 'scan@contoso.com' -AccessRights SendAs";
        assert!(lines.contains(&line.to_owned()), "{lines:?}");
        assert!(lines.contains(&"Set-CASMailbox -Identity 'team@contoso.com' -SmtpClientAuthenticationDisabled $false".to_owned()));
        assert!(!by(Strategy::DeviceCode).iter().any(|line| line.contains("SendAs")));
    }

    #[test]
    fn other_services_have_lists_of_their_own() {
        for provider in [Provider::Google, Provider::Other] {
            let lines = of(AzureOut { provider, strategy: Strategy::AuthorizationCode, ..AzureOut::default() });
            assert!(lines.contains(&REDIRECT.to_owned()), "{provider:?}");
            assert!(!lines.iter().any(|line| line.contains("CASMailbox")), "{provider:?}");
        }
    }

    #[test]
    fn nothing_that_was_typed_becomes_a_command() {
        for (username, expected) in [
            ("o'neil@x.org", "'o''neil@x.org'"),
            ("a'; Remove-Mailbox b #@x.org", "'a''; Remove-Mailbox b #@x.org'"),
            ("a\u{2019}; b@x.org", "'a\u{2019}\u{2019}; b@x.org'"),
            ("$(b)@x.org", "'$(b)@x.org'"),
        ] {
            assert_eq!(quoted(username), expected);
        }
    }
}
