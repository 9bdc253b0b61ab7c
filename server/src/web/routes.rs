//! The routes, each with what it takes to be answered: there is no way to register one without saying so, and whoever may not is
//! sent away before anything of the body is read.

use axum::Router;
use axum::handler::Handler;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{MethodRouter, any, get, post};
use domain::access::Act;
use http::Method;

use super::{access, guard};

/// What a route takes of whoever asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Nothing: anybody is answered.
    Nobody,
    /// That it is known who asks, whatever he may do.
    Somebody,
    /// That he may do this.
    Act(Act),
}

/// A route, for whoever checks them all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Its path, as axum writes it.
    pub path: &'static str,
    /// Its method.
    pub method: Method,
    /// What it takes.
    pub need: Need,
}

/// Routes, as they are put together.
#[derive(Default)]
pub(super) struct Routes {
    router: Router,
    table: Vec<Route>,
}

impl Routes {
    pub(super) fn get<T: 'static>(self, path: &'static str, need: Need, handler: impl Handler<T, ()>) -> Self {
        self.add(path, Method::GET, need, get(guarded(need, handler)))
    }

    pub(super) fn post<T: 'static>(self, path: &'static str, need: Need, handler: impl Handler<T, ()>) -> Self {
        self.add(path, Method::POST, need, post(guarded(need, handler)))
    }

    /// A route of the API: its handler refuses other methods than `method` by itself.
    pub(super) fn api<T: 'static>(self, path: &'static str, method: Method, need: Need, handler: impl Handler<T, ()>) -> Self {
        self.add(path, method, need, any(guarded(need, handler)))
    }

    /// A route whose handler reads the body by itself, as it arrives, and bounds it.
    pub(super) fn stream<T: 'static>(self, path: &'static str, need: Need, handler: impl Handler<T, ()>) -> Self {
        self.add(path, Method::POST, need, post(handler.layer(from_fn_with_state(need, access::allow))))
    }

    fn add(mut self, path: &'static str, method: Method, need: Need, handlers: MethodRouter) -> Self {
        self.router = self.router.route(path, handlers);
        self.table.push(Route { path, method, need });
        self
    }

    pub(super) fn router(self) -> Router {
        self.router
    }

    pub(super) fn table(self) -> Vec<Route> {
        self.table
    }
}

/// A handler behind what every route passes. The last layer is the first to see a request.
fn guarded<T: 'static>(need: Need, handler: impl Handler<T, ()>) -> impl Handler<T, ()> {
    handler.layer(from_fn(access::confirm)).layer(from_fn(guard::read_body)).layer(from_fn_with_state(need, access::allow))
}
