//! Pages of forms and links alone. The browser gets no data of theirs and has no code for them: it leaves them as they came.
//! What they need of it all the same is asked for by attributes (`crate::browser::follow_attributes`).

mod access;
mod activity;
mod api_help;
mod azure;
mod certificates;
mod client_certificate;
mod import;
mod import_servers;
mod links;
mod message;
mod messages;
mod sign_in;
mod trash;
mod trash_certificates;

use domain::activity::{ActivityPage, ActivityQuery};
use domain::entry::{EntryId, EntryView, TrashPlan};
use domain::error::ApiError;
use domain::exchange::ImportPlan;
use domain::link::{Link, LinkId, LinksPage, LinksQuery};
use domain::secret::Secret;
use domain::submission::{MessageView, MessagesPage, MessagesQuery};
use domain::trust::{Preview, TrustId, TrustPage, TrustTrashPlan};
use leptos::prelude::*;

use super::{Page, Section};
use crate::backend::SignInPage;
pub use access::{AccessPage, OwnForm, TypedToken};

/// What a plain page shows.
#[derive(Clone, Debug, PartialEq)]
pub enum Plain {
    /// The question before trashing.
    Trash {
        /// What would go.
        plan: TrashPlan,
        /// The search of the list it came from.
        search: String,
        /// The page of the list it came from.
        number: u32,
        /// Why nothing was trashed.
        refused: Option<ApiError>,
    },
    /// "Certificates".
    Certificates {
        /// What is trusted.
        trust: TrustPage,
        /// What was done just now, in a sentence.
        done: Option<String>,
        /// The row that is to be seen whole.
        open: Option<TrustId>,
        /// Whether every imported authority is ticked.
        all_chosen: bool,
        /// Why something was not done.
        refused: Option<ApiError>,
    },
    /// "Add certificates".
    Import {
        /// What was given would add this.
        preview: Option<Preview>,
        /// Those that were chosen of it, by SHA-256; nothing was chosen yet where it is missing.
        chosen: Option<Vec<String>>,
        /// Why it can't be read or added.
        refused: Option<ApiError>,
    },
    /// The question before trashing certificates.
    TrashCertificates {
        /// What would go.
        plan: TrustTrashPlan,
        /// Why nothing was trashed.
        refused: Option<ApiError>,
    },
    /// The client certificate of an entry.
    ClientCertificate {
        /// The entry.
        view: Box<EntryView>,
        /// Why it was not kept or removed.
        refused: Option<ApiError>,
        /// Now: milliseconds since 1970.
        now_ms: u64,
    },
    /// Signing in, accounts and tokens.
    Access(AccessPage),
    /// How the sign-in of an entry with Azure OAuth stands, and what it takes at the sign-in service.
    Azure {
        /// The entry and its sign-in.
        page: Box<SignInPage>,
        /// Whether a sign-in with a code just came to its end.
        over: bool,
        /// Why something was not done.
        refused: Option<ApiError>,
    },
    /// The way to the sign-in service.
    Leave {
        /// The entry.
        id: EntryId,
        /// Where somebody signs in.
        url: String,
    },
    /// What somebody came back with from the sign-in service, not yet believed.
    Arrive(Box<Arrived>),
    /// A sign-in that came to nothing.
    NotArrived {
        /// The entry, as far as it is known.
        id: Option<EntryId>,
        /// Why.
        error: ApiError,
    },
    /// "Activity".
    Activity {
        /// What was found; nothing where it couldn't be looked for.
        activity: Option<ActivityPage>,
        /// What was looked for.
        query: ActivityQuery,
        /// Why something was not done.
        refused: Option<ApiError>,
    },
    /// "Messages".
    Messages {
        /// What was found; nothing where it couldn't be looked for.
        found: Option<MessagesPage>,
        /// What was looked for.
        query: MessagesQuery,
        /// Why something was not done.
        refused: Option<ApiError>,
    },
    /// One message, with everything that happened to it.
    Message(Box<MessageView>),
    /// How applications send.
    ApiHelp {
        /// The address that they reach this at.
        base: String,
        /// Whether whoever reads it makes tokens.
        manages: bool,
    },
    /// "Links".
    Links {
        /// What was found; nothing where it couldn't be looked for.
        page: Option<LinksPage>,
        /// What was looked for.
        query: LinksQuery,
        /// The days that were typed for a link, where that was refused.
        typed: Option<(LinkId, String)>,
        /// Why something was not done.
        refused: Option<ApiError>,
    },
    /// The question before a link is revoked.
    RevokeLink {
        /// Which.
        link: Box<Link>,
        /// Why it was not revoked.
        refused: Option<ApiError>,
    },
    /// "Import servers".
    ImportServers {
        /// What was given would do this.
        plan: Option<ImportPlan>,
        /// The places of those that were chosen of it; nothing was chosen yet where it is missing.
        chosen: Option<Vec<usize>>,
        /// What was done just now, in a sentence.
        done: Option<String>,
        /// Why it can't be read or taken in.
        refused: Option<ApiError>,
    },
    /// The page could not be made.
    Failed(ApiError),
}

/// What stands in the address that the sign-in service leads back to. A page holds it only until it is posted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Arrived {
    /// What was sent along.
    pub state: Secret,
    /// What was granted; empty where it was refused.
    pub code: Secret,
    /// Why it was refused.
    pub error: String,
    /// In words of the service's.
    pub error_description: String,
}

/// The names of the fields that bring [`Arrived`] to us. None says what is secret of it: what does isn't given back to the page that asks for a
/// password in between, and that would end the sign-in.
pub const ARRIVED: [&str; 4] = ["state", "granted", "error", "error_description"];

impl From<AccessPage> for Page {
    fn from(page: AccessPage) -> Self {
        Plain::Access(page).into()
    }
}

impl From<Plain> for Page {
    fn from(plain: Plain) -> Self {
        Self::Of(Box::new(plain))
    }
}

impl Plain {
    pub(super) fn section(&self) -> Option<(Section, bool)> {
        match self {
            Self::Trash { .. }
            | Self::ClientCertificate { .. }
            | Self::Azure { .. }
            | Self::Leave { .. }
            | Self::Arrive(_)
            | Self::NotArrived { .. }
            | Self::ImportServers { .. } => Some((Section::Servers, false)),
            Self::Messages { .. } => Some((Section::Messages, true)),
            Self::Message(_) | Self::ApiHelp { .. } => Some((Section::Messages, false)),
            Self::Certificates { .. } => Some((Section::Certificates, true)),
            Self::Import { .. } | Self::TrashCertificates { .. } => Some((Section::Certificates, false)),
            Self::Links { .. } => Some((Section::Links, true)),
            Self::RevokeLink { .. } => Some((Section::Links, false)),
            Self::Access(page) => page.section(),
            Self::Activity { .. } | Self::Failed(_) => None,
        }
    }

    /// The HTTP status where it isn't that of what was refused.
    pub(super) fn status(&self) -> Option<u16> {
        if let Self::Access(page) = self { page.status() } else { None }
    }

    pub(super) fn title(&self) -> String {
        match self {
            Self::Trash { .. } => "Trash servers".into(),
            Self::Certificates { .. } => "Certificates".into(),
            Self::Import { .. } => "Add certificates".into(),
            Self::TrashCertificates { .. } => "Trash certificates".into(),
            Self::ClientCertificate { view, .. } => format!("Client certificate of {}", view.name),
            Self::Azure { page, .. } => format!("Azure OAuth of {}", page.view.name),
            Self::Leave { .. } => "Sign in".into(),
            Self::Arrive(_) => "Finish signing in".into(),
            Self::NotArrived { .. } => "Not signed in".into(),
            Self::Access(page) => page.title(),
            Self::Activity { .. } => "Activity".into(),
            Self::Messages { .. } => "Messages".into(),
            Self::ApiHelp { .. } => "Sending from applications".into(),
            Self::Message(view) => format!("Message {}", view.message.id),
            Self::Links { .. } => "Links".into(),
            Self::RevokeLink { .. } => "Revoke a link".into(),
            Self::ImportServers { .. } => "Import servers".into(),
            Self::Failed(_) => "That didn't work".into(),
        }
    }

    pub(super) fn refused(&self) -> Option<&ApiError> {
        match self {
            Self::Trash { refused, .. }
            | Self::Certificates { refused, .. }
            | Self::Import { refused, .. }
            | Self::TrashCertificates { refused, .. }
            | Self::ClientCertificate { refused, .. }
            | Self::Azure { refused, .. }
            | Self::Activity { refused, .. }
            | Self::Messages { refused, .. }
            | Self::Links { refused, .. }
            | Self::RevokeLink { refused, .. }
            | Self::ImportServers { refused, .. } => refused.as_ref(),
            Self::Access(page) => page.refused(),
            Self::Leave { .. } | Self::Arrive(_) | Self::Message(_) | Self::ApiHelp { .. } => None,
            Self::Failed(error) | Self::NotArrived { error, .. } => Some(error),
        }
    }
}

/// The view of a plain page.
#[component]
pub(super) fn PlainView(plain: Plain) -> impl IntoView {
    match plain {
        Plain::Trash { plan, search, number, refused } => view! { <trash::Trash plan search number refused/> }.into_any(),
        Plain::Certificates { trust, done, open, all_chosen, refused } => {
            view! { <certificates::Certificates trust done open all_chosen refused/> }.into_any()
        }
        Plain::Import { preview, chosen, refused } => view! { <import::Import preview chosen refused/> }.into_any(),
        Plain::TrashCertificates { plan, refused } => view! { <trash_certificates::TrashCertificates plan refused/> }.into_any(),
        Plain::ClientCertificate { view, refused, now_ms } => {
            view! { <client_certificate::ClientCertificate entry=*view refused now_ms/> }.into_any()
        }
        Plain::Access(page) => view! { <access::AccessView page/> }.into_any(),
        Plain::Azure { page, over, refused } => view! { <azure::Azure page=*page over refused/> }.into_any(),
        Plain::Leave { id, url } => sign_in::leave(id, url).into_any(),
        Plain::Arrive(arrived) => sign_in::arrive(*arrived).into_any(),
        Plain::NotArrived { id, error } => sign_in::not_arrived(id, error).into_any(),
        Plain::Activity { activity, query, refused } => view! { <activity::Activity activity query refused/> }.into_any(),
        Plain::Messages { found, query, refused } => view! { <messages::Messages found query refused/> }.into_any(),
        Plain::ApiHelp { base, manages } => view! { <api_help::ApiHelp base manages/> }.into_any(),
        Plain::Message(view) => view! { <message::OneMessage view=*view/> }.into_any(),
        Plain::Links { page, query, typed, refused } => links::list(page, query, typed, refused).into_any(),
        Plain::RevokeLink { link, refused } => links::revoke(*link, refused).into_any(),
        Plain::ImportServers { plan, chosen, done, refused } => {
            view! { <import_servers::ImportServers plan chosen done refused/> }.into_any()
        }
        Plain::Failed(error) => view! { <Failed error/> }.into_any(),
    }
}

/// A page that could not be made, with the way back.
#[component]
fn Failed(error: ApiError) -> impl IntoView {
    view! {
        <div class="page narrow">
            <h1>"That didn't work"</h1>
            <p>{error.message}</p>
            <p><a class="button" href="/">"Mail SMTP servers"</a></p>
        </div>
    }
}
