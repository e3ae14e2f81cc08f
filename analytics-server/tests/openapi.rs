//! `GET /v1/openapi.json`: that it has the routes, methods, parameters and fields that there are, and no others.
#![allow(clippy::unwrap_used)]

mod support;

use std::collections::BTreeSet;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use serde_json::Value;
use support::{Server, beacon, view_id};
use tower::ServiceExt as _;

const METHODS: [&str; 6] = ["get", "post", "put", "delete", "patch", "options"];

/// The paths that a router shows of itself.
fn paths(router: &Router) -> BTreeSet<String> {
    let shown = format!("{router:?}");
    let quoted = shown.split('"').skip(1).step_by(2);
    let paths =
        quoted.filter(|text| text.len() > 1 && text.starts_with('/') && !text.contains("__private__"));
    paths.map(|path| path.replace("{*", "{")).collect()
}

fn keys(object: &Value) -> BTreeSet<String> {
    object.as_object().unwrap().keys().cloned().collect()
}

/// The names in backticks or between commas in what comes after these words.
fn named(message: &str) -> BTreeSet<String> {
    let rest = ["known are ", "expected one of ", "expected "]
        .iter()
        .find_map(|words| Some(message.split_once(words)?.1))
        .unwrap_or_else(|| panic!("{message} names no parameters"));
    let names = rest.split([',', ' ']).map(|name| name.trim_matches('`'));
    names
        .filter(|name| !name.is_empty() && *name != "or")
        .map(ToOwned::to_owned)
        .collect()
}

#[tokio::test]
async fn it_has_every_route_and_method() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::open(dir.path());
    let document = server.json("/v1/openapi.json").await;
    assert_eq!(keys(&document["paths"]), paths(&server.router));
    for (path, item) in document["paths"].as_object().unwrap() {
        let concrete = ["{id}", "{page}", "{path}"]
            .iter()
            .fold(path.clone(), |path, name| path.replace(name, "x"));
        for method in METHODS {
            let request = Request::builder()
                .method(method.to_uppercase().as_str())
                .uri(&concrete);
            let response = server
                .router
                .clone()
                .oneshot(request.body(Body::empty()).unwrap())
                .await
                .unwrap();
            let is_there = response.status().as_u16() != 405;
            assert_eq!(is_there, item[method].is_object(), "{method} {path}");
            let status = response.status().as_u16().to_string();
            let answers = &item[method]["responses"];
            assert!(
                !is_there || answers[&status].is_object(),
                "{method} {path} answers {status}"
            );
        }
    }
}

#[tokio::test]
async fn its_parameters_are_those_that_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::open(dir.path());
    let document = server.json("/v1/openapi.json").await;
    let mut routes = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        let parameters = item["get"]["parameters"].as_array().into_iter().flatten();
        let names: BTreeSet<String> = parameters
            .filter(|parameter| parameter["in"] == "query")
            .map(|parameter| parameter["name"].as_str().unwrap().to_owned())
            .collect();
        // CMCD comes from other players, whose URLs may have more.
        if names.is_empty() || path == "/v1/cmcd" {
            continue;
        }
        routes += 1;
        let concrete = path.replace("{id}", "x");
        let (status, body) = server.get(&format!("{concrete}?no_such_parameter=1")).await;
        assert_eq!(status.as_u16(), 400, "{path}");
        let message = body["error"]["message"].as_str().unwrap();
        assert_eq!(named(message), names, "{path}: {message}");
    }
    assert!(routes >= 7);
    let schemas = &document["components"]["schemas"];
    let definitions = server.json("/v1/definitions").await;
    let metrics: Vec<_> = definitions["metrics"]
        .as_array()
        .unwrap()
        .iter()
        .map(|metric| metric["name"].clone())
        .collect();
    assert_eq!(schemas["MetricName"]["enum"], Value::from(metrics));
    let (_, refused) = server.get("/v1/cohorts?metric=plays").await;
    let message = refused["error"]["message"].as_str().unwrap();
    let comparable = &document["paths"]["/v1/cohorts"]["get"]["parameters"][0]["schema"]["enum"];
    let comparable = comparable.as_array().unwrap().iter();
    let comparable: Vec<_> = comparable.map(|name| name.as_str().unwrap()).collect();
    assert!(
        message.ends_with(&format!(" is {}", comparable.join(", "))),
        "{message}"
    );
    let dimensions: Vec<_> = definitions["dimensions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|name| name.as_str().unwrap())
        .collect();
    let by = &document["paths"]["/v1/query"]["get"]["parameters"][1];
    let pattern = by["schema"]["items"]["pattern"].as_str().unwrap();
    assert!(
        pattern.starts_with(&format!("^({}|dim", dimensions.join("|"))),
        "{pattern}"
    );
}

#[tokio::test]
async fn its_fields_are_those_of_the_answers() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::open(dir.path());
    server.post_at(10_000, &beacon(1, 0, 10_000)).await;
    server.stored().await;
    let document = server.json("/v1/openapi.json").await;
    let schemas = &document["components"]["schemas"];
    let one = format!("/v1/views/{}", view_id(1));
    for (path, place, schema) in [
        ("/v1/query?metric=plays", "", "/Query"),
        ("/v1/query?metric=ebvs", "/rows/0/values/ebvs", "/Cell"),
        ("/v1/cohorts?metric=ebvs", "", "/Cohorts"),
        ("/v1/definitions", "", "/Definitions"),
        ("/v1/overview", "", "/Overview"),
        ("/v1/overview", "/totals", "/Overview/properties/totals"),
        ("/v1/overview", "/series", "/Overview/properties/series"),
        ("/v1/views", "", "/Views"),
        ("/v1/views", "/views/0", "/View"),
        (one.as_str(), "", "/OneView"),
        ("/v1/live", "", "/Live"),
        ("/v1/alerts", "", "/Alerts"),
        ("/v1/alerts", "/rules/0", "/Alerts/properties/rules/items"),
        ("/v1/status", "", "/Status"),
        ("/v1/status", "/alerts", "/Status/properties/alerts"),
        ("/v1/status", "/log", "/Status/properties/log"),
        ("/v1/dead-letters", "", "/DeadLetters"),
    ] {
        let answer = server.json(path).await;
        let found = keys(answer.pointer(place).unwrap());
        let expected = keys(schemas.pointer(&format!("{schema}/properties")).unwrap());
        assert_eq!(found, expected, "{path} {place}");
    }
    server.analytics.shutdown().await.unwrap();
}
