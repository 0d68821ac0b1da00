//! How SQLite carries out the statements of many rows: never by reading a table from end to end,
//! however many rows there are in a batch.

use sqlx::{AssertSqlSafe, Row, SqliteConnection};

use super::database::{migrate, writer};
use super::engagement::{DueStatements, TellStatements};
use super::inbound::ReceptionStatements;
use super::links;
use super::purge::PurgeStatements;
use super::script;
use super::statements::{BatchStatement, ROOMS, Statements};
use super::suppression::{self, ListStatements};

#[tokio::test]
async fn no_statement_reads_a_whole_table() {
    let folder = tempfile::tempdir().unwrap();
    let mut database = writer(&folder.path().join("plans.db")).await.unwrap();
    migrate(&mut database).await.unwrap();
    let Statements {
        release,
        send,
        events,
        retries,
        end_retries,
        note_reports,
        end_reports,
        calls,
        end_forwards,
        receptions,
        keep_hits,
        tell,
        keep_links,
        purge,
        list,
    } = Statements::new(ListStatements::new());
    let batches = [release, send, events, retries, end_retries];
    let more = [note_reports, end_reports, calls, end_forwards];
    let PurgeStatements {
        retries_of_deliveries,
        events_of_deliveries,
        deliveries,
        messages,
        retries_of_events,
        events,
        calls,
        stirred,
        leave_slim,
        quiet,
        slim,
        inbound,
        visits,
        links: forget_links,
    } = purge;
    let of_deliveries = [retries_of_deliveries, events_of_deliveries, deliveries];
    let purge = [messages, retries_of_events, events, calls, stirred];
    let slim = [leave_slim, quiet, slim, inbound, visits, forget_links];
    let received = of_receptions(receptions);
    let engaged = of_engagement(tell, DueStatements::new());
    let kept_links = BatchStatement::new(links::KEPT.0, links::KEPT.1, links::KEPT.2);
    let kept = [keep_hits, keep_links, kept_links];
    let batches = batches.iter().chain(&more).chain(&of_deliveries);
    let list = of_list(list);
    let batches = batches.chain(&purge).chain(&slim).chain(&received);
    for statement in batches.chain(&engaged).chain(&kept).chain(&list) {
        for sql in statement.texts() {
            check(&mut database, sql).await;
        }
    }
    check(&mut database, suppression::COUNT).await;
    for exponent in 0..ROOMS {
        for sql in script::texts(1 << exponent) {
            check(&mut database, &sql).await;
        }
    }
}

fn of_receptions(statements: ReceptionStatements) -> [BatchStatement; 8] {
    let ReceptionStatements {
        mails,
        forwards,
        deliveries,
        slim,
        count_deliveries,
        change_deliveries,
        change_slim,
        events,
    } = statements;
    [
        mails,
        forwards,
        deliveries,
        slim,
        count_deliveries,
        change_deliveries,
        change_slim,
        events,
    ]
}

fn of_engagement(tell: TellStatements, due: DueStatements) -> [BatchStatement; 5] {
    let TellStatements {
        waiting,
        how_many,
        gone,
        visits,
    } = tell;
    let DueStatements { standings } = due;
    [waiting, how_many, gone, visits, standings]
}

fn of_list(statements: ListStatements) -> [BatchStatement; 13] {
    let ListStatements {
        look,
        entries,
        standing,
        insert,
        change,
        delete,
        events,
        recipients,
        slim,
        end_deliveries,
        end_events,
        forget_soft,
        count_soft,
    } = statements;
    let list = [look, entries, standing, insert, change, delete, events];
    let others = [recipients, slim, end_deliveries, end_events];
    let mut all = list.into_iter().chain(others);
    let mut all = all.by_ref().chain([forget_soft, count_soft]);
    std::array::from_fn(|_| all.next().expect("there are thirteen"))
}

async fn check(database: &mut SqliteConnection, sql: &str) {
    let explain = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}"));
    let plan = sqlx::query(explain).fetch_all(database).await.unwrap();
    let steps: Vec<String> = plan.iter().map(|row| row.get(3)).collect();
    // What a batch brings along is read from end to end, and nothing else.
    let is_of_batch = |step: &str| {
        let batch = ["CONSTANT ROW", "VALUES CLAUSE", "(subquery-"];
        step == "SCAN v" || batch.iter().any(|part| step.contains(part))
    };
    let scans = steps.iter().filter(|step| step.starts_with("SCAN"));
    let whole: Vec<_> = scans.filter(|step| !is_of_batch(step)).collect();
    assert!(whole.is_empty(), "{whole:?} of {steps:?}: {sql:.300}");
}
