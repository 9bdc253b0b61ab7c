//! What has to be set up at Microsoft before an entry can sign in with a token, in order, with the entry's own values.

use crate::smtp_server::{AzureOut, Strategy};

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

/// What it takes for the mailbox `username`.
pub fn checklist(username: &str, azure: &AzureOut) -> Vec<Item> {
    let AzureOut { application_id, tenant, strategy } = azure;
    let mailbox = quoted(username);
    let tenant = tenant.as_deref().or_else(|| username.rsplit_once('@').map(|(_, domain)| domain)).unwrap_or("your tenant");
    let smtp_auth = [
        Item::with(
            "Let the mailbox use SMTP AUTH, in Exchange Online PowerShell:",
            format!("Set-CASMailbox -Identity {mailbox} -SmtpClientAuthenticationDisabled $false"),
        ),
        Item::with(
            "See whether it may, a few minutes later:",
            format!("Get-CASMailbox -Identity {mailbox} | Format-List SmtpClientAuthenticationDisabled"),
        ),
    ];
    let registered = Item::with(
        format!(
            "In the Entra admin center of {tenant}, “App registrations”, open the app with this “Application (client) ID”, or register one for this tenant only:"
        ),
        application_id,
    );
    let consent = Item::new("On the same page press “Grant admin consent”, and see that the status says “Granted”.");
    let mut items = vec![registered];
    match strategy {
        Strategy::Password => {
            items.extend([
                Item::new("Under “Authentication”, “Settings”, set “Allow public client flows” to “Yes”, and save."),
                Item::with(
                    "Under “API permissions”, “Add a permission”, “APIs my organization uses”, “Office 365 Exchange Online”, “Delegated permissions”, tick:",
                    "SMTP.Send",
                ),
                consent,
                Item::new("See that no policy of Conditional Access and no security defaults demand multi-factor sign-in of this mailbox: this strategy can't pass it."),
            ]);
            items.extend(smtp_auth);
        }
        Strategy::ClientCredentials => {
            let object = "the object id under “Enterprise applications”, which isn't the one under “App registrations”";
            items.extend([
                Item::new("Under “Certificates and secrets” make a “New client secret”, and enter its value, not its id, as the SMTP password here."),
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
            ]);
            items.extend(smtp_auth);
        }
    }
    items
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

    fn of(strategy: Strategy, username: &str) -> Vec<Item> {
        let application_id = "11111111-2222-3333-4444-555555555555".into();
        checklist(username, &AzureOut { application_id, tenant: None, strategy })
    }

    #[test]
    fn each_line_has_the_entrys_own_values() {
        let lines = |items: Vec<Item>| items.into_iter().filter_map(|item| item.line).collect::<Vec<_>>();
        let by_password = lines(of(Strategy::Password, "scan@contoso.com"));
        assert_eq!(by_password[..2], ["11111111-2222-3333-4444-555555555555", "SMTP.Send"]);
        assert_eq!(by_password[2], "Set-CASMailbox -Identity 'scan@contoso.com' -SmtpClientAuthenticationDisabled $false");
        let by_application = lines(of(Strategy::ClientCredentials, "scan@contoso.com"));
        assert!(by_application.contains(&"Connect-ExchangeOnline -Organization 'contoso.com'".to_owned()));
        let principal = "New-ServicePrincipal -AppId 11111111-2222-3333-4444-555555555555 -ObjectId OBJECT_ID";
        assert!(by_application.contains(&principal.to_owned()));
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
