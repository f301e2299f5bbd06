//! Table of parameters and geth's answers to them.

use super::*;

fn error<T: Argument + std::fmt::Debug>(json: &str) -> String {
    T::read(json).expect_err(json)
}

#[test]
fn arguments_are_split_and_counted() {
    assert!(Arguments::parse(None, 0).is_ok());
    assert!(Arguments::parse(Some("null"), 0).is_ok());
    assert!(Arguments::parse(Some("[]"), 0).is_ok());
    let message = |params, most| Arguments::parse(Some(params), most).err().map(|error| error.message);
    assert_eq!(message("[1]", 0).as_deref(), Some("too many arguments, want at most 0"));
    assert_eq!(message(r#"{"a":1}"#, 3).as_deref(), Some("non-array args"));
    let arguments = Arguments::parse(Some(r#"[null,"0x1"]"#), 3).expect("an array");
    assert_eq!(arguments.optional::<bool>(0), Ok(None));
    let missing = arguments.required::<bool>(0).expect_err("null is no value");
    assert_eq!((missing.code, missing.message.as_str()), (-32602, "missing value for required argument 0"));
    let missing = arguments.required::<bool>(2).expect_err("absent");
    assert_eq!(missing.message, "missing value for required argument 2");
    let wrong = arguments.required::<bool>(1).expect_err("a string");
    assert_eq!(wrong.message, "invalid argument 1: json: cannot unmarshal string into Go value of type bool");
}

#[test]
fn addresses_and_hashes_are_refused_in_geths_words() {
    assert_eq!(
        error::<Address>(r#""12""#),
        "json: cannot unmarshal hex string without 0x prefix into Go value of type common.Address"
    );
    assert_eq!(error::<Address>(r#""0x12""#), "hex string has length 2, want 40 for common.Address");
    assert_eq!(
        error::<Address>(r#""0xzz""#),
        "json: cannot unmarshal invalid hex string into Go value of type common.Address"
    );
    assert_eq!(
        error::<Address>("7"),
        "json: cannot unmarshal non-string into Go value of type common.Address"
    );
    assert_eq!(error::<B256>(r#""0x123""#), "hex string has length 3, want 64 for common.Hash");
    assert_eq!(
        error::<Bytes>(r#""0x123""#),
        "json: cannot unmarshal hex string of odd length into Go value of type hexutil.Bytes"
    );
    let upper = format!("\"0X{}\"", "AB".repeat(20));
    assert_eq!(Address::read(&upper), Ok(Address::repeat_byte(0xab)));
}

#[test]
fn blocks_are_named_by_tag_number_or_hash() {
    let tags = [
        ("latest", BlockSelector::Latest),
        ("safe", BlockSelector::Latest),
        ("finalized", BlockSelector::Finalized),
        ("pending", BlockSelector::Pending),
        ("earliest", BlockSelector::Number(0)),
        ("0x0", BlockSelector::Number(0)),
        ("0xff", BlockSelector::Number(255)),
    ];
    for (text, selector) in tags {
        let json = format!("\"{text}\"");
        assert_eq!(BlockNumber::read(&json), Ok(BlockNumber(selector)), "{text}");
        assert_eq!(BlockReference::read(&json), Ok(BlockReference(selector)), "{text}");
        let object = format!(r#"{{"blockNumber":"{text}"}}"#);
        assert_eq!(BlockReference::read(&object), Ok(BlockReference(selector)), "{text}");
    }
    let hash = B256::repeat_byte(7);
    let selector = BlockReference(BlockSelector::Hash(hash));
    assert_eq!(BlockReference::read(&format!("\"{hash}\"")), Ok(selector));
    let object = format!(r#"{{"blockHash":"{hash}","requireCanonical":true}}"#);
    assert_eq!(BlockReference::read(&object), Ok(selector));
    let both = format!(r#"{{"blockHash":"{hash}","blockNumber":"0x1"}}"#);
    assert!(error::<BlockReference>(&both).starts_with("cannot specify both"));
    for (text, reason) in [
        ("newest", "hex string without 0x prefix"),
        ("0x", r#"hex string "0x""#),
        ("0x01", "hex number with leading zero digits"),
        ("0xg", "invalid hex string"),
        ("0x10000000000000000", "hex number > 64 bits"),
        ("0x8000000000000000", "block number larger than int64"),
        ("", "empty hex string"),
    ] {
        assert_eq!(error::<BlockNumber>(&format!("\"{text}\"")), reason);
        assert_eq!(error::<BlockReference>(&format!("\"{text}\"")), reason);
    }
    assert_eq!(error::<BlockNumber>("5"), "hex string without 0x prefix");
}

#[test]
fn storage_keys_and_counts_come_in_several_forms() {
    assert_eq!(StorageKey::read(r#""0x1""#), Ok(StorageKey(U256::from(1))));
    assert_eq!(StorageKey::read(r#""0x""#), Ok(StorageKey(U256::ZERO)));
    assert_eq!(StorageKey::read(&format!("\"0x{}\"", "f".repeat(64))), Ok(StorageKey(U256::MAX)));
    assert!(error::<StorageKey>(&format!("\"0x{}\"", "f".repeat(65))).contains("too long"));
    assert!(error::<StorageKey>(r#""0xq""#).contains("invalid"));
    for json in ["10", r#""10""#, r#""0xa""#] {
        assert_eq!(Count::read(json), Ok(Count(10)));
    }
    assert!(Count::read("-1").is_err() && Count::read(r#""x""#).is_err());
}
