//! The part of the backend that is about who asks.

use std::sync::Arc;

use app::backend::{Access, Backend, Caller, Gate, Made, Offer, Origin, Shown, SignedIn, Welcome};
use async_trait::async_trait;
use domain::access::{Account, AccountId, Me, NewToken, Permit, Role, SessionId, Token, TokenId};
use domain::error::Problem;
use domain::secret::Secret;

use super::{House, Local};

#[async_trait]
impl Gate for House {
    async fn enter(&self, _: Shown, address: String) -> Result<Arc<dyn Backend>, Problem> {
        let permit = Permit::of(Role::Administrator);
        Ok(Arc::new(self.local(Caller { address, permit, ..Caller::default() })))
    }

    async fn is_set_up(&self) -> Result<bool, Problem> {
        Ok(false)
    }

    async fn sign_in(&self, _: String, _: Secret, _: Origin) -> Result<SignedIn, Problem> {
        Err(Problem::NotSignedIn)
    }

    async fn give_code(&self, _: Secret, _: Secret, _: Origin) -> Result<SignedIn, Problem> {
        Err(Problem::NotSignedIn)
    }

    async fn sign_out(&self, _: Secret, _: Origin) -> Result<(), Problem> {
        Err(Problem::NotSignedIn)
    }

    async fn welcome(&self, _: Secret, _: Origin) -> Result<Welcome, Problem> {
        Err(Problem::NotSignedIn)
    }

    async fn accept(&self, _: Secret, _: String, _: Secret, _: Secret, _: Origin) -> Result<SignedIn, Problem> {
        Err(Problem::NotSignedIn)
    }
}

#[async_trait]
impl Access for Local {
    fn caller(&self) -> &Caller {
        &self.caller
    }

    async fn me(&self) -> Result<Me, Problem> {
        Err(Problem::NotSignedIn)
    }

    async fn confirm(&self, _: Secret) -> Result<(), Problem> {
        Err(Problem::NotSignedIn)
    }

    async fn change_password(&self, _: Secret, _: Secret, _: Secret) -> Result<SignedIn, Problem> {
        Err(Problem::NotSignedIn)
    }

    async fn end_sessions(&self, _: Option<SessionId>) -> Result<u64, Problem> {
        Err(Problem::NotSignedIn)
    }

    async fn offer_second_factor(&self) -> Result<Offer, Problem> {
        Err(Problem::NotSignedIn)
    }

    async fn offered_second_factor(&self) -> Result<Option<Offer>, Problem> {
        Err(Problem::NotSignedIn)
    }

    async fn second_factor_on(&self, _: Secret) -> Result<Vec<Secret>, Problem> {
        Err(Problem::NotSignedIn)
    }

    async fn second_factor_off(&self) -> Result<(), Problem> {
        Err(Problem::NotSignedIn)
    }

    async fn new_recovery_codes(&self) -> Result<Vec<Secret>, Problem> {
        Err(Problem::NotSignedIn)
    }

    async fn accounts(&self) -> Result<Vec<Account>, Problem> {
        Err(Problem::NotSignedIn)
    }

    async fn add_account(&self, _: String, _: String) -> Result<Made<AccountId>, Problem> {
        Err(Problem::NotSignedIn)
    }

    async fn set_role(&self, _: AccountId, _: Role) -> Result<(), Problem> {
        Err(Problem::NotSignedIn)
    }

    async fn reset_password(&self, _: AccountId, _: bool) -> Result<Made<AccountId>, Problem> {
        Err(Problem::NotSignedIn)
    }

    async fn remove_account(&self, _: AccountId) -> Result<(), Problem> {
        Err(Problem::NotSignedIn)
    }

    async fn tokens(&self) -> Result<Vec<Token>, Problem> {
        Err(Problem::NotSignedIn)
    }

    async fn make_token(&self, _: NewToken) -> Result<Made<TokenId>, Problem> {
        Err(Problem::NotSignedIn)
    }

    async fn revoke_token(&self, _: TokenId) -> Result<(), Problem> {
        Err(Problem::NotSignedIn)
    }
}
