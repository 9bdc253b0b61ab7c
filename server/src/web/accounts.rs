//! The accounts of others, for administrators.

use app::backend::Made;
use app::pages::{AccessPage, Page};
use axum::extract::{Form, Path};
use axum::response::Response;
use domain::access::{AccessError, AccessField, Account, AccountId, Act, Role};
use domain::error::{ApiError, Problem};
use http::HeaderMap;

use super::access::base;
use super::forms::{Fields, Posted};
use super::pages::failed;
use super::routes::{Need, Routes};
use super::{Visit, see_other};

pub(super) fn routes(routes: Routes) -> Routes {
    const MANAGE: Need = Need::Act(Act::Manage);
    routes
        .get("/accounts", MANAGE, list)
        .post("/accounts", MANAGE, add)
        .get("/accounts/{id}", MANAGE, account)
        .get("/accounts/{id}/role", MANAGE, to_account)
        .post("/accounts/{id}/role", MANAGE, set_role)
        .get("/accounts/{id}/link", MANAGE, to_account)
        .post("/accounts/{id}/link", MANAGE, new_link)
        .get("/accounts/{id}/remove", MANAGE, to_account)
        .post("/accounts/{id}/remove", MANAGE, remove)
}

/// What was typed to add an account.
#[derive(Default)]
struct Typed {
    name: String,
    role: String,
}

impl Visit {
    async fn accounts_page(&self, typed: Typed, refused: Option<ApiError>) -> Page {
        let (accounts, me) = match (self.backend.accounts().await, self.backend.me().await) {
            (Ok(accounts), Ok(me)) => (accounts, me),
            (Err(problem), _) | (_, Err(problem)) => return failed(problem),
        };
        let Typed { name, role } = typed;
        AccessPage::Accounts { accounts, own: me.account.id, now_ms: me.now_ms, name, role, refused }.into()
    }

    async fn one(&self, id: &str) -> Result<Account, Problem> {
        let id = AccountId(id.parse().map_err(|_| Problem::NoSuchAccess)?);
        let accounts = self.backend.accounts().await?;
        accounts.into_iter().find(|account| account.id == id).ok_or(Problem::NoSuchAccess)
    }

    async fn one_page(&self, id: &str, refused: Option<ApiError>) -> Page {
        match self.one(id).await {
            Ok(account) => AccessPage::OneAccount { account, refused }.into(),
            Err(problem) => failed(problem),
        }
    }

    /// The page with a link, shown this once.
    async fn link_page(&self, headers: &HeaderMap, name: String, new: bool, made: Made<AccountId>) -> Response {
        let link = format!("{}/welcome?token={}", base(self, headers), made.secret.expose());
        self.show(AccessPage::Link { name, link: domain::secret::Secret::new(link), new }.into()).await
    }
}

async fn list(visit: Visit) -> Response {
    let page = visit.accounts_page(Typed::default(), None).await;
    visit.show(page).await
}

async fn add(visit: Visit, headers: HeaderMap, Form(fields): Posted) -> Response {
    let fields = Fields(fields);
    let [name, role] = [AccessField::Name, AccessField::Role].map(|field| fields.text(field.key()));
    match visit.backend.add_account(name.clone(), role.clone()).await {
        Ok(made) => visit.link_page(&headers, name.trim().to_owned(), true, made).await,
        Err(problem) => {
            let page = visit.accounts_page(Typed { name, role }, Some(problem.into())).await;
            visit.show(page).await
        }
    }
}

async fn account(visit: Visit, Path(id): Path<String>) -> Response {
    let page = visit.one_page(&id, None).await;
    visit.show(page).await
}

async fn to_account(Path(id): Path<String>) -> Response {
    see_other(&id.parse::<u64>().map_or_else(|_| "/accounts".into(), |id| format!("/accounts/{id}")))
}

async fn set_role(visit: Visit, Path(id): Path<String>, Form(fields): Posted) -> Response {
    let role = Role::parse(&Fields(fields).text(AccessField::Role.key()));
    let role = role.ok_or_else(|| Problem::InvalidAccess(vec![(AccessField::Role, AccessError::NoSuchChoice)]));
    let set = match (role, visit.one(&id).await) {
        (Ok(role), Ok(account)) => visit.backend.set_role(account.id, role).await,
        (Err(problem), _) | (_, Err(problem)) => Err(problem),
    };
    match set {
        Ok(()) => see_other("/accounts"),
        Err(problem) => {
            let page = visit.one_page(&id, Some(problem.into())).await;
            visit.show(page).await
        }
    }
}

async fn new_link(visit: Visit, headers: HeaderMap, Path(id): Path<String>, Form(fields): Posted) -> Response {
    let second_factor = Fields(fields).is_set("second_factor");
    let made = match visit.one(&id).await {
        Ok(account) => visit.backend.reset_password(account.id, second_factor).await.map(|made| (account.name, made)),
        Err(problem) => Err(problem),
    };
    match made {
        Ok((name, made)) => visit.link_page(&headers, name, false, made).await,
        Err(problem) => {
            let page = visit.one_page(&id, Some(problem.into())).await;
            visit.show(page).await
        }
    }
}

async fn remove(visit: Visit, Path(id): Path<String>) -> Response {
    let removed = match id.parse() {
        Ok(id) => visit.backend.remove_account(AccountId(id)).await,
        Err(_) => Err(Problem::NoSuchAccess),
    };
    match removed {
        Ok(()) => see_other("/accounts"),
        Err(problem) => {
            let page = visit.one_page(&id, Some(problem.into())).await;
            visit.show(page).await
        }
    }
}
