//! A server that answers every request with the same file: what actix-web alone can do on a machine. `cargo xtask bench
//! api` measures it beside Mantyx.
//!
//! It takes an address and a file, and ends with SIGTERM.

use std::error::Error;
use std::num::NonZeroUsize;

use actix_web::web::{self, Bytes, Data};
use actix_web::{App, HttpResponse, HttpServer};

async fn answer(body: Data<Bytes>) -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(Bytes::clone(&body))
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(address), Some(file)) = (arguments.next(), arguments.next()) else {
        return Err("Usage: floor ADDRESS FILE".into());
    };
    let body = Data::new(Bytes::from(std::fs::read(file)?));
    let app = move || App::new().app_data(body.clone()).default_service(web::to(answer));
    let workers = std::thread::available_parallelism().map_or(2, NonZeroUsize::get);
    Ok(HttpServer::new(app).workers(workers).bind(address)?.run().await?)
}
