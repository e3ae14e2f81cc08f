//! Answers as CSV and Parquet, read back.
#![allow(clippy::unwrap_used)]

mod support;

use std::path::Path;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use player_core::telemetry::schema::{Counters, Dimension, ViewInfo};
use support::{START_MS, Server, beacon, view_id};

/// Views of a second each, whose titles a spreadsheet would compute.
async fn views(server: &Server, count: u32) {
    for number in 1..=count {
        let mut b = beacon(number, 0, 20_000);
        b.info = Some(ViewInfo {
            video_title: "=1+1, \"so\"".into(),
            device: if number % 2 == 0 { "tv" } else { "phone" }.into(),
            dimensions: vec![Dimension {
                name: "plan".into(),
                value: "gold".into(),
            }],
            ..ViewInfo::default()
        });
        b.counters = Counters {
            play_intent: true,
            startup_ms: Some(500),
            played_ms: 1_000 * u64::from(number),
            ..Counters::default()
        };
        server.post_at(20_000 + i64::from(number), &b).await;
    }
    server.stored().await;
}

async fn file(server: &Server, path: &str, accept: &str) -> (String, Vec<u8>) {
    let request = Request::get(path).header("accept", accept);
    let (status, headers, body) = server.request(request.body(Body::empty()).unwrap()).await;
    assert_eq!(status, StatusCode::OK, "{}", String::from_utf8_lossy(&body));
    let of = |name| headers[name].to_str().unwrap().to_owned();
    assert!(
        of("content-disposition").starts_with("attachment; filename="),
        "{headers:?}"
    );
    (of("content-type"), body)
}

/// Names, and rows of texts.
fn read_csv(bytes: &[u8]) -> (Vec<String>, Vec<Vec<String>>) {
    let mut reader = csv::Reader::from_reader(bytes);
    let texts = |record: &csv::StringRecord| record.iter().map(ToOwned::to_owned).collect::<Vec<_>>();
    let names = texts(reader.headers().unwrap());
    (
        names,
        reader.records().map(|record| texts(&record.unwrap())).collect(),
    )
}

/// One text of a Parquet file.
fn ask_parquet(bytes: &[u8], sql: &str) -> String {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file.parquet");
    std::fs::write(&path, bytes).unwrap();
    let connection = duckdb::Connection::open_in_memory().unwrap();
    let sql = sql.replace("FILE", &format!("read_parquet('{}')", path.display()));
    connection.query_row(&sql, [], |row| row.get(0)).unwrap()
}

fn leftovers(dir: &Path) -> usize {
    std::fs::read_dir(dir.join("store.exports")).unwrap().count()
}

#[tokio::test]
async fn queries_are_tables() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::open(dir.path());
    views(&server, 3).await;
    let range = format!("from={START_MS}&to={}", START_MS + 60_000);
    let query = format!(
        "/v1/query?{range}&metric=startup_ms,plays,startup_ms&by=video_title,dim.plan,device&order=-plays"
    );
    let (media, body) = file(&server, &format!("{query}&format=csv"), "*/*").await;
    assert_eq!(media, "text/csv; charset=utf-8; header=present");
    let expected = "video_title,dim.plan,device,startup_ms,startup_ms_numerator,startup_ms_denominator,startup_ms_n,\
                    plays,plays_numerator,plays_denominator,plays_n\r\n\
                    \"'=1+1, \"\"so\"\"\",gold,phone,500.0,1000.0,2.0,2,2.0,,,2\r\n\
                    \"'=1+1, \"\"so\"\"\",gold,tv,500.0,500.0,1.0,1,1.0,,,1\r\n";
    assert_eq!(String::from_utf8(body.clone()).unwrap(), expected);
    assert_eq!(file(&server, &query, "text/csv").await.1, body, "by its header");

    let (media, body) = file(&server, &format!("{query}&bucket=1m&format=parquet"), "*/*").await;
    assert_eq!(media, "application/vnd.apache.parquet");
    let row = ask_parquet(
        &body,
        "SELECT concat_ws('|', t_ms, video_title, \"dim.plan\", device, startup_ms, startup_ms_n, plays_n, plays_numerator IS NULL)
         FROM FILE ORDER BY device LIMIT 1",
    );
    assert_eq!(row, format!("{START_MS}|=1+1, \"so\"|gold|phone|500.0|2|2|true"));
    assert_eq!(leftovers(dir.path()), 0);
    let (status, body) = server.get(&format!("{query}&format=xml")).await;
    let message = body["error"]["message"].as_str().unwrap();
    assert_eq!(
        (status.as_u16(), message),
        (400, "`format` is json, csv or parquet")
    );
    server.analytics.shutdown().await.unwrap();
}

#[tokio::test]
async fn views_are_tables_of_any_length() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::open(dir.path());
    // More than are read at a time, and many of one start.
    let count = 1_050;
    views(&server, count).await;
    let (_, body) = file(&server, "/v1/views?format=csv&filter=dim.plan:eq:gold", "*/*").await;
    let (names, rows) = read_csv(&body);
    let json = server.json("/v1/views?limit=1").await;
    let fields: Vec<_> = json["views"][0].as_object().unwrap().keys().cloned().collect();
    assert_eq!(names, fields, "the fields of JSON");
    let column = |name: &str| names.iter().position(|other| other == name).unwrap();
    let mut ids: Vec<_> = rows.iter().map(|row| row[column("view_id")].clone()).collect();
    ids.sort();
    let expected: Vec<_> = (1..=count).map(view_id).collect();
    assert_eq!(ids, expected, "each once");
    let first = &rows[0];
    assert_eq!(
        first[column("view_id")],
        json["views"][0]["view_id"].as_str().unwrap()
    );
    assert_eq!(first[column("video_title")], "'=1+1, \"so\"");
    assert_eq!(first[column("dimensions")], "{\"plan\":\"gold\"}");
    assert_eq!(
        first[column("played_ms")],
        json["views"][0]["played_ms"].to_string()
    );
    let few = file(&server, "/v1/views?format=csv&limit=1001", "*/*").await.1;
    assert_eq!(read_csv(&few).1.len(), 1_001);
    let none = file(&server, "/v1/views?format=csv&site=other", "*/*").await.1;
    assert_eq!(read_csv(&none), (names, Vec::new()));

    let (_, body) = file(&server, "/v1/views?format=parquet&filter=device:eq:tv", "*/*").await;
    let summary = "SELECT concat_ws('|', count(*), count(DISTINCT view_id), sum(played_ms), any_value(dimensions['plan']),
                   any_value(video_title)) FROM FILE";
    let played: u64 = (1..=u64::from(count))
        .filter(|n| n % 2 == 0)
        .map(|n| n * 1_000)
        .sum();
    assert_eq!(
        ask_parquet(&body, summary),
        format!("525|525|{played}|gold|=1+1, \"so\"")
    );
    assert_eq!(leftovers(dir.path()), 0);
    server.analytics.shutdown().await.unwrap();
}
