//! The part of the backend that is about who asks.

use std::sync::Arc;

use app::backend::{Access, Backend, Caller, Gate, Made, Offer, Origin, Shown, SignedIn, Welcome};
use async_trait::async_trait;
use domain::access::{Account, AccountId, Act, Me, NewToken, Role, SessionId, Token, TokenId};
use domain::error::Problem;
use domain::secret::Secret;

use super::{House, Local};
use crate::access::Accounts;

#[async_trait]
impl Gate for House {
    async fn enter(&self, shown: Shown, address: String) -> Result<Arc<dyn Backend>, Problem> {
        let caller = match shown {
            Shown::Nothing => None,
            Shown::Session(session) => {
                let address = address.clone();
                self.accounts.blocking(move |accounts| accounts.enter(&session, &address)).await?
            }
            Shown::Token(token) => {
                let address = address.clone();
                Some(self.accounts.blocking(move |accounts| accounts.enter_token(&token, &address)).await?)
            }
        };
        let caller = caller.unwrap_or_else(|| Caller { address, ..Caller::default() });
        Ok(Arc::new(self.local(caller)))
    }

    async fn is_set_up(&self) -> Result<bool, Problem> {
        self.accounts.blocking(Accounts::is_set_up).await
    }

    async fn sign_in(&self, name: String, password: Secret, from: Origin) -> Result<SignedIn, Problem> {
        self.accounts.sign_in(name, password, from).await
    }

    async fn give_code(&self, session: Secret, code: Secret, from: Origin) -> Result<SignedIn, Problem> {
        self.accounts.give_code(session, code, from).await
    }

    async fn sign_out(&self, session: Secret, from: Origin) -> Result<(), Problem> {
        self.accounts.blocking(move |accounts| accounts.sign_out(&session, &from)).await
    }

    async fn welcome(&self, link: Secret, from: Origin) -> Result<Welcome, Problem> {
        self.accounts.blocking(move |accounts| accounts.welcome(&link, &from)).await
    }

    async fn accept(
        &self,
        link: Secret,
        name: String,
        password: Secret,
        confirm: Secret,
        from: Origin,
    ) -> Result<SignedIn, Problem> {
        self.accounts.accept(link, name, password, confirm, from).await
    }
}

#[async_trait]
impl Access for Local {
    fn caller(&self) -> &Caller {
        &self.caller
    }

    fn refuse(&self, act: Act) -> Problem {
        self.refusal(act)
    }

    async fn me(&self) -> Result<Me, Problem> {
        self.may(Act::Own)?;
        let caller = self.caller.clone();
        self.accounts.blocking(move |accounts| accounts.me(&caller)).await
    }

    async fn confirm(&self, password: Secret) -> Result<SignedIn, Problem> {
        self.may(Act::Own)?;
        self.accounts.confirm(&self.caller, password).await
    }

    async fn change_password(&self, current: Secret, new: Secret, confirm: Secret) -> Result<SignedIn, Problem> {
        self.may(Act::Own)?;
        self.accounts.change_password(&self.caller, current, new, confirm).await
    }

    async fn end_sessions(&self, which: Option<SessionId>) -> Result<u64, Problem> {
        self.may_freshly(Act::Own, &[])?;
        let caller = self.caller.clone();
        self.accounts.blocking(move |accounts| accounts.end_sessions(&caller, which)).await
    }

    async fn offer_second_factor(&self) -> Result<Offer, Problem> {
        self.may_freshly(Act::Own, &[])?;
        let caller = self.caller.clone();
        self.accounts.blocking(move |accounts| accounts.offer_second_factor(&caller)).await
    }

    async fn offered_second_factor(&self) -> Result<Option<Offer>, Problem> {
        self.may(Act::Own)?;
        let caller = self.caller.clone();
        self.accounts.blocking(move |accounts| accounts.offered_second_factor(&caller)).await
    }

    async fn second_factor_on(&self, code: Secret) -> Result<Vec<Secret>, Problem> {
        self.may_freshly(Act::Own, &[])?;
        let caller = self.caller.clone();
        self.accounts.blocking(move |accounts| accounts.second_factor_on(&caller, &code)).await
    }

    async fn second_factor_off(&self) -> Result<(), Problem> {
        self.may_freshly(Act::Own, &[])?;
        let caller = self.caller.clone();
        self.accounts.blocking(move |accounts| accounts.second_factor_off(&caller)).await
    }

    async fn new_recovery_codes(&self) -> Result<Vec<Secret>, Problem> {
        self.may_freshly(Act::Own, &[])?;
        let caller = self.caller.clone();
        self.accounts.blocking(move |accounts| accounts.new_recovery_codes(&caller)).await
    }

    async fn accounts(&self) -> Result<Vec<Account>, Problem> {
        self.may(Act::Manage)?;
        self.accounts.blocking(Accounts::accounts).await
    }

    async fn add_account(&self, name: String, role: String) -> Result<Made<AccountId>, Problem> {
        self.may_freshly(Act::Manage, &[])?;
        let caller = self.caller.clone();
        self.accounts.blocking(move |accounts| accounts.add_account(&caller, &name, &role)).await
    }

    async fn set_role(&self, id: AccountId, role: Role) -> Result<(), Problem> {
        self.may_freshly(Act::Manage, &[])?;
        let caller = self.caller.clone();
        self.accounts.blocking(move |accounts| accounts.set_role(&caller, id, role)).await
    }

    async fn reset_password(&self, id: AccountId, second_factor: bool) -> Result<Made<AccountId>, Problem> {
        self.may_freshly(Act::Manage, &[])?;
        let caller = self.caller.clone();
        self.accounts.blocking(move |accounts| accounts.reset_password(&caller, id, second_factor)).await
    }

    async fn remove_account(&self, id: AccountId) -> Result<(), Problem> {
        self.may_freshly(Act::Manage, &[])?;
        let caller = self.caller.clone();
        self.accounts.blocking(move |accounts| accounts.remove_account(&caller, id)).await
    }

    async fn tokens(&self) -> Result<Vec<Token>, Problem> {
        self.may(Act::Manage)?;
        self.accounts.blocking(Accounts::tokens).await
    }

    async fn make_token(&self, new: NewToken) -> Result<Made<TokenId>, Problem> {
        self.may_freshly(Act::Manage, &[])?;
        let caller = self.caller.clone();
        self.accounts.blocking(move |accounts| accounts.make_token(&caller, &new)).await
    }

    async fn revoke_token(&self, id: TokenId) -> Result<(), Problem> {
        self.may_freshly(Act::Manage, &[])?;
        let caller = self.caller.clone();
        self.accounts.blocking(move |accounts| accounts.revoke_token(&caller, id)).await
    }
}
