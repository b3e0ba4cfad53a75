//! Rows, read.

use super::super::join;
use super::*;

#[test]
fn what_a_row_sends_it_reads_back() {
    let row = All {
        key: Id::new(1),
        small: i32::MIN,
        big: i64::MAX,
        float: -0.5,
        yes: true,
        text: "ü\0".into(),
        bytes: vec![0, 255],
        day: Date::constant(1969, 7, 20),
        time: Time::constant(20, 17, 40, 1_000),
        moment: DateTime::from_microsecond(-1).expect("a moment"),
        span: Duration::from_micros(-1_500_000),
        uuid: Uuid::from_u128(7),
        json: Json(vec![1, 2]),
        negative: -1,
        half: 1.5,
        on: false,
        created: DateTime::UNIX_EPOCH,
    };
    let mut cells = vec![Value::Integer(1)];
    cells.extend(Model::columns(&row).into_iter().map(|(_, value)| value));
    let rows = Rows { width: u32::try_from(cells.len()).expect("a width"), cells };
    let reader = Reader::typed("everything", All::META.fields.len(), &rows).expect("rows");
    let read = join::all::<All>(&[], reader).expect("a row");
    assert_eq!(read, [row]);
}

#[test]
fn rows_of_one_result_share_their_relations() {
    let row = |id: i64, question: i64| {
        let text = || Value::Text("x".into());
        [Value::Integer(id), Value::Integer(question), text(), Value::Integer(0), Value::Null, text(), Value::Null]
    };
    let rows = Rows { width: 7, cells: [row(1, 10), row(2, 11)].concat() };
    let reader = Reader::typed("choice", 7, &rows).expect("rows");
    let choices = join::all::<Choice>(&[], reader).expect("choices");
    assert_eq!(choices[1].question.id(), Id::new(11));
    assert!(choices[0].question.same_peers(&choices[1].question));
    assert!(choices[0].replaces.is_none());
    assert_eq!(serde_json::to_value(&choices[0]).expect("json")["question"], 10);
}
