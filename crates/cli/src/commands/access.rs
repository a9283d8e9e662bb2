//! Tokens, the password, and the link that logs a browser in.

use chrono::Utc;
use mantyx_api_types::{NewPassword, NewToken, TokenCreated, TokenView};
use mantyx_core::Error;
use reqwest::Method;
use serde::{Deserialize, Serialize};

use super::Session;
use crate::arguments::{TokenArgs, TokenCommand};
use crate::failure::{Failure, Result};
use crate::output::aside;
use crate::tables;
use crate::terminal::secret;

/// What a request for a link is answered with.
#[derive(Debug, Serialize, Deserialize)]
struct LoginLink {
    url: String,
}

pub(super) async fn token(what: TokenArgs, session: Session) -> Result<()> {
    match what.command {
        TokenCommand::Ls => {
            let tokens = list(&session).await?;
            session.output.show(&tokens, |tokens| tables::tokens(tokens, Utc::now()))
        }
        TokenCommand::Create { name, scope, expires_in } => {
            create(&session, &NewToken { name, scope: scope.into(), expires_in }).await
        }
        TokenCommand::Revoke { token } => revoke(&session, &token).await,
    }
}

async fn list(session: &Session) -> Result<Vec<TokenView>> {
    session.client.list("/api/tokens", &[], usize::MAX).await
}

/// The secret alone on standard output, so that it can be put into a variable.
async fn create(session: &Session, new: &NewToken) -> Result<()> {
    let created: TokenCreated = session.client.post("/api/tokens", new).await?;
    aside("This is the only time that the secret is shown:")?;
    session.output.show(&created, |created| created.secret.clone())
}

async fn revoke(session: &Session, which: &str) -> Result<()> {
    let tokens = list(session).await?;
    let is_meant = |token: &&TokenView| token.name == which || token.id.to_string() == which;
    let Some(token) = tokens.iter().find(is_meant) else {
        let error = Error::not_found("token", which).hint("`mantyx token ls` lists them");
        return Err(Failure::Local(error));
    };
    session.client.send(session.client.request(Method::DELETE, &format!("/api/tokens/{}", token.id))).await?;
    aside(&format!("`{}` is revoked", token.name))
}

pub(super) async fn password(session: Session) -> Result<()> {
    let password = secret("New password for `admin`")?;
    let request = session.client.request(Method::PUT, "/api/password").json(&NewPassword { password });
    session.client.send(request).await?;
    aside("The password is set")
}

pub(super) async fn login_link(session: Session) -> Result<()> {
    let link: LoginLink = session.client.ask("/api/login/link", &[]).await?;
    session.output.show(&link, |link| link.url.clone())
}
