//! One command's body: R-055 to R-059.

use btn_command::{BtnCmd, CommandError};

fn command(body: &str) -> BtnCmd {
    BtnCmd::parse(body.to_owned())
}

/// R-055 and R-056 as a table: body, name, parameters' text, whether they are an object.
const BODIES: [(&str, &str, &str, bool); 16] = [
    ("", "", "", false),
    ("ping", "ping", "", false),
    (" ping ", " ping ", "", false),
    ("ping}", "ping}", "", false),
    ("[1]", "[1]", "", false),
    ("ping{}", "ping", "{}", true),
    ("{}", "", "{}", true),
    (" a b\t{\"x\":1} ", " a b\t", "{\"x\":1} ", true),
    ("a{b{\"x\":1}", "a", "{b{\"x\":1}", false),
    ("a{\"b\":{\"c\":\"{\"}}", "a", "{\"b\":{\"c\":\"{\"}}", true),
    ("a{", "a", "{", false),
    ("a{\"x\":1}}", "a", "{\"x\":1}}", false),
    ("a{\"x\":1,}", "a", "{\"x\":1,}", false),
    ("a{x:1}", "a", "{x:1}", false),
    ("a{\"x\":1e999}", "a", "{\"x\":1e999}", false),
    ("命令{\"ключ\":\"é🦀\"}", "命令", "{\"ключ\":\"é🦀\"}", true),
];

#[test]
fn a_body_is_split_at_its_first_brace() {
    for (body, cmd, param_string, is_object) in BODIES {
        let command = command(body);
        assert_eq!(command.cmd(), cmd, "{body:?}");
        assert_eq!(command.param_string(), param_string, "{body:?}");
        assert_eq!(command.param().is_some(), is_object, "{body:?}");
        assert!(command.param().is_none_or(serde_json::Value::is_object), "{body:?}");
        assert_eq!(command.body(), body);
        assert_eq!(command.to_string(), format!("BtnCMD:[{cmd}]{body}"), "R-058");
    }
}

#[test]
fn the_text_form_is_the_papers() {
    assert_eq!(command("ping").to_string(), "BtnCMD:[ping]ping");
    let body = "REMOTE{\"名\":\"值\"}";
    assert_eq!(command(body).to_string(), "BtnCMD:[REMOTE]REMOTE{\"名\":\"值\"}");
}

#[test]
fn logs_show_no_body() {
    let shown = format!("{:?}", command("seal{\"secret\":1}"));
    assert_eq!(shown, "BtnCmd of 16 bytes", "G-26");
}

#[test]
fn getters_give_what_is_there() {
    let command = command(
        r#"x{"s":"é","l":-9223372036854775808,"i":2147483647,"b":false,"o":{"k":1},"a":[1,"2"],"n":null,"r":-7}"#,
    );
    assert_eq!(command.string("s"), Ok(Some("é")));
    assert_eq!(command.long("l"), Ok(Some(i64::MIN)));
    assert_eq!(command.int("i"), Ok(Some(i32::MAX)));
    assert_eq!(command.long("i"), Ok(Some(i64::from(i32::MAX))));
    assert_eq!(command.boolean("b"), Ok(Some(false)));
    assert_eq!(command.object("o").unwrap().unwrap().get("k").unwrap(), 1);
    assert_eq!(command.array("a").unwrap().unwrap().len(), 2);
    assert_eq!(command.return_code(), Ok(Some(-7)));
}

#[test]
fn getters_give_nothing_where_nothing_is() {
    // No parameters, malformed ones, no such key, and null, which says the same.
    for body in ["x", "x{", "x{}", r#"x{"y":1}"#, r#"x{"k":null,"r":null}"#] {
        let command = command(body);
        assert_eq!(command.string("k"), Ok(None), "{body}");
        assert_eq!(command.long("k"), Ok(None), "{body}");
        assert_eq!(command.int("k"), Ok(None), "{body}");
        assert_eq!(command.boolean("k"), Ok(None), "{body}");
        assert_eq!(command.object("k"), Ok(None), "{body}");
        assert_eq!(command.array("k"), Ok(None), "{body}");
        assert_eq!(command.return_code(), Ok(None), "{body}");
    }
}

/// Every getter against every type that is not its own.
#[test]
fn a_field_of_the_wrong_type_is_an_error() {
    let values =
        [("\"1\"", "s"), ("1", "il"), ("true", "b"), ("{}", "o"), ("[]", "a"), ("1.5", ""), ("1.0", "")];
    let wide = [("2147483648", "l"), ("-2147483649", "l"), ("9223372036854775808", "")];
    for (value, accepted_by) in values.into_iter().chain(wide) {
        let command = command(&format!("x{{\"k\":{value},\"r\":{value}}}"));
        assert!(command.param().is_some(), "{value}");
        let results = [
            ('s', command.string("k").err()),
            ('l', command.long("k").err()),
            ('i', command.int("k").err()),
            ('b', command.boolean("k").err()),
            ('o', command.object("k").err()),
            ('a', command.array("k").err()),
        ];
        for (getter, error) in results {
            let is_right = accepted_by.contains(getter);
            assert_eq!(error.is_none(), is_right, "getter {getter} on {value}: {error:?}");
            assert!(error.is_none_or(|error| matches!(error, CommandError::WrongType { .. })));
        }
        assert_eq!(command.return_code().is_ok(), accepted_by.contains('i'), "{value}");
    }
    let error = command(r#"x{"k":"1"}"#).int("k").unwrap_err();
    assert_eq!(error.to_string(), "`k` is a string, expected an integer of 32 bits");
}

/// An object whose field `k` is nested this deep.
fn nested(depth: usize) -> String {
    format!("x{{\"k\":{}{}}}", "[".repeat(depth - 1), "]".repeat(depth - 1))
}

#[test]
fn nesting_ends_where_the_parser_ends() {
    assert!(command(&nested(127)).param().is_some());
    let deep = command(&nested(128));
    assert!(deep.param().is_none(), "deeper than 127 is malformed");
    assert_eq!((deep.cmd(), deep.param_string().len()), ("x", nested(128).len() - 1), "R-056");
    // As deep as a command can be: no stack is used up.
    assert!(command(&nested(500_000)).param().is_none());
}
