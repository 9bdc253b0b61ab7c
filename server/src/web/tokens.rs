//! API tokens, for administrators.

use app::pages::{AccessPage, Page, TypedToken};
use axum::extract::{Form, Path};
use axum::response::Response;
use domain::access::{AccessError, AccessField, Act, NewToken, Role, Token, TokenId, Verb};
use domain::entry::{EntryId, ListQuery};
use domain::error::{ApiError, Problem};
use http::HeaderMap;

use super::access::base;
use super::forms::{Fields, Posted};
use super::pages::failed;
use super::routes::{Need, Routes};
use super::{Visit, see_other};

/// The most servers that are offered to choose from.
const MAX_OFFERED: usize = 500;

pub(super) fn routes(routes: Routes) -> Routes {
    const MANAGE: Need = Need::Act(Act::Manage);
    routes
        .get("/tokens", MANAGE, list)
        .get("/tokens/new", MANAGE, new)
        .post("/tokens/new", MANAGE, make)
        .get("/tokens/{id}/revoke", MANAGE, question)
        .post("/tokens/{id}/revoke", MANAGE, revoke)
}

impl Visit {
    async fn new_token_page(&self, typed: TypedToken, refused: Option<ApiError>) -> Page {
        match self.servers().await {
            Ok(servers) => AccessPage::NewToken { servers, typed: Box::new(typed), refused }.into(),
            Err(problem) => failed(problem),
        }
    }

    /// The names of the entries, page by page.
    async fn servers(&self) -> Result<Vec<(EntryId, String)>, Problem> {
        let mut servers = Vec::new();
        for page in 1.. {
            let list = self.backend.list(ListQuery { search: String::new(), page }).await?;
            servers.extend(list.rows.into_iter().map(|row| (row.id, row.name)));
            if page >= list.pages || servers.len() >= MAX_OFFERED {
                break;
            }
        }
        Ok(servers)
    }

    async fn token(&self, id: &str) -> Result<Token, Problem> {
        let id = TokenId(id.parse().map_err(|_| Problem::NoSuchAccess)?);
        self.backend.tokens().await?.into_iter().find(|token| token.id == id).ok_or(Problem::NoSuchAccess)
    }

    async fn revoke_page(&self, id: &str, refused: Option<ApiError>) -> Page {
        match self.token(id).await {
            Ok(token) => AccessPage::RevokeToken { token: Box::new(token), refused }.into(),
            Err(problem) => failed(problem),
        }
    }
}

async fn list(visit: Visit) -> Response {
    let page = match (visit.backend.tokens().await, visit.backend.me().await) {
        (Ok(tokens), Ok(me)) => AccessPage::Tokens { tokens, now_ms: me.now_ms }.into(),
        (Err(problem), _) | (_, Err(problem)) => failed(problem),
    };
    visit.show(page).await
}

async fn new(visit: Visit) -> Response {
    let page = visit.new_token_page(TypedToken::default(), None).await;
    visit.show(page).await
}

async fn make(visit: Visit, headers: HeaderMap, Form(fields): Posted) -> Response {
    let fields = Fields(fields);
    let typed = TypedToken {
        name: fields.text(AccessField::TokenName.key()),
        role: fields.text(AccessField::Role.key()),
        chosen_entries: fields.text("which") == "chosen",
        entries: fields.ids(AccessField::TokenEntries.key()),
        chosen_verbs: fields.text("what") == "chosen",
        verbs: fields.texts(AccessField::TokenVerbs.key()).iter().filter_map(|key| Verb::parse(key)).collect(),
        days: fields.text(AccessField::TokenDays.key()),
    };
    let made = match wanted(&typed) {
        Ok(new) => visit.backend.make_token(new).await,
        Err(problem) => Err(problem),
    };
    match made {
        Ok(made) => {
            let name = typed.name.trim().to_owned();
            // What a curl would ask: whoever only submits has nothing to look at.
            let sees = !typed.chosen_verbs || typed.verbs.contains(&Verb::Test);
            visit.show(AccessPage::TokenMade { name, token: made.secret, base: base(&visit, &headers), sees }.into()).await
        }
        Err(problem) => {
            let page = visit.new_token_page(typed, Some(problem.into())).await;
            visit.show(page).await
        }
    }
}

/// What a form asks for, as far as it can be read; the rest the backend judges.
fn wanted(typed: &TypedToken) -> Result<NewToken, Problem> {
    let mut wrong = Vec::new();
    let role = Role::parse(&typed.role);
    if role.is_none() {
        wrong.push((AccessField::Role, AccessError::NoSuchChoice));
    }
    let days = match typed.days.trim() {
        "" => Ok(None),
        days => days.parse().map(Some),
    };
    if days.is_err() {
        wrong.push((AccessField::TokenDays, AccessError::Days));
    }
    let (Some(role), Ok(days)) = (role, days) else { return Err(Problem::InvalidAccess(wrong)) };
    Ok(NewToken {
        name: typed.name.clone(),
        role,
        entries: typed.chosen_entries.then(|| typed.entries.clone()),
        verbs: typed.chosen_verbs.then(|| typed.verbs.clone()),
        days,
    })
}

async fn question(visit: Visit, Path(id): Path<String>) -> Response {
    let page = visit.revoke_page(&id, None).await;
    visit.show(page).await
}

async fn revoke(visit: Visit, Path(id): Path<String>) -> Response {
    let revoked = match id.parse() {
        Ok(id) => visit.backend.revoke_token(TokenId(id)).await,
        Err(_) => Err(Problem::NoSuchAccess),
    };
    match revoked {
        Ok(()) => see_other("/tokens"),
        Err(problem) => {
            let page = visit.revoke_page(&id, Some(problem.into())).await;
            visit.show(page).await
        }
    }
}
