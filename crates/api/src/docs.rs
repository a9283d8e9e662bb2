//! `/docs`: Swagger UI with the OpenAPI document, and a page that explains every problem.
//!
//! These are files of the page: they need no credentials and hold no secret, since the interface is public. The
//! document is there a second time for Swagger UI, whose own requests carry no token.

use std::fmt::Write;

use actix_web::http::header::{ContentType, LOCATION};
use actix_web::web::{self, Data};
use actix_web::{HttpResponse, Responder};
use mantyx_api_types::Problem;
use mantyx_core::Code;
use utoipa_swagger_ui::{Config, SwaggerUi};

use crate::server::Document;

/// Where Swagger UI finds the document.
const DOCUMENT: &str = "/docs/openapi.json";

pub(crate) fn configure(config: &mut web::ServiceConfig) {
    let swagger = Config::from(DOCUMENT).try_it_out_enabled(true).persist_authorization(false);
    config
        .route("/docs", web::get().to(redirect))
        .route(DOCUMENT, web::get().to(document))
        .route(Problem::TYPES, web::get().to(problems))
        .service(SwaggerUi::new("/docs/{_:.*}").config(swagger));
}

async fn redirect() -> impl Responder {
    HttpResponse::PermanentRedirect().insert_header((LOCATION, "/docs/")).finish()
}

async fn document(document: Data<Document>) -> impl Responder {
    HttpResponse::Ok().content_type(ContentType::json()).body(document.json.clone())
}

/// Where the `type` of each problem leads.
async fn problems() -> impl Responder {
    HttpResponse::Ok().content_type(ContentType::html()).body(problems_page())
}

fn problems_page() -> String {
    let mut page = String::from(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Problems of Mantyx</title>\
         <body style=\"background:#0d1117;color:#e6edf3;font:16px/1.6 system-ui;max-width:44rem;margin:3rem auto\">\
         <h1>Problems</h1><p>Every refusal of the API is one of these.</p><dl>",
    );
    for code in Code::ALL {
        let (name, status) = (code.as_str(), Problem::status_of(*code));
        // Writing to a string cannot fail.
        let _ =
            write!(page, "<dt id=\"{name}\"><code>{name}</code> · {status}</dt><dd>{}</dd>", code.title());
    }
    page + "</dl>"
}

#[cfg(test)]
mod tests {
    use super::*;
    use mantyx_core::Error;

    #[test]
    fn the_type_of_every_problem_leads_somewhere() {
        let page = problems_page();
        for code in Code::ALL {
            let problem = Problem::from(&Error::new(*code, "No"));
            let (path, anchor) = problem.r#type.split_once('#').unwrap();
            assert_eq!(path, Problem::TYPES);
            assert!(page.contains(&format!("id=\"{anchor}\"")), "{anchor}");
        }
    }
}
