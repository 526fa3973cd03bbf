//! URLs that try to be something else, and what becomes of them. Each is sent, so that what the check lets pass is judged
//! again where it is resolved; nobody is ever connected to.

use std::{
    io,
    net::{IpAddr, Ipv4Addr},
    sync::{Arc, Mutex},
};

use super::{
    Call, CallFault, Outbound, OutboundSettings,
    resolver::{Looking, Lookup},
};

/// What no spelling may get to: this machine, its networks, and the services of its cloud.
const REFUSED: &[&str] = &[
    // The address as it is usually written.
    "http://127.0.0.1/",
    "http://127.1.2.3/",
    "http://0.0.0.0/",
    "http://10.0.0.1/",
    "http://172.16.0.1/",
    "http://172.31.255.254/",
    "http://192.168.1.1/",
    "http://169.254.169.254/latest/meta-data/",
    "http://169.254.0.1/",
    "http://100.64.0.1/",
    "http://100.127.255.254/",
    "http://192.0.0.1/",
    "http://192.0.2.1/",
    "http://198.18.0.1/",
    "http://198.51.100.1/",
    "http://203.0.113.1/",
    "http://224.0.0.1/",
    "http://240.0.0.1/",
    "http://255.255.255.255/",
    "http://100.100.100.200/",
    "http://168.63.129.16/",
    "http://192.88.99.1/",
    "http://0.1.2.3/",
    // Decimal, octal, hexadecimal, mixed, short, padded.
    "http://2130706433/",
    "http://017700000001/",
    "http://0x7f000001/",
    "http://0x7F.1/",
    "http://0177.0.0.1/",
    "http://0x7f.0x0.0x0.0x1/",
    "http://127.1/",
    "http://127.0.1/",
    "http://0177.0x0.1/",
    "http://0/",
    "http://0x0/",
    "http://00000177.0.0.1/",
    "http://2852039166/",
    "http://0xa9fea9fe/",
    "http://0251.0376.0251.0376/",
    "http://169.16689662/",
    "http://10.1/",
    "http://192.168.257/",
    "http://0xA9.0xFE.0xA9.0xFE/",
    // More than an address has.
    "http://4294967296/",
    "http://127.0.0.1.1/",
    "http://127.0.0.256/",
    "http://0x1ffffffff/",
    "http://127.0.0.0x/g",
    // With a dot behind.
    "http://127.0.0.1./",
    "http://2130706433./",
    "http://localhost./",
    "http://metadata.google.internal./",
    "http://public.example./",
    "http://public.example../",
    "http://127.0.0.1../",
    // IPv6, with addresses in it, with zones, malformed.
    "http://[::]/",
    "http://[::1]/",
    "http://[0:0:0:0:0:0:0:1]/",
    "http://[0000:0000::0001]/",
    "http://[fe80::1]/",
    "http://[fe80::1%25eth0]/",
    "http://[fe80::1%eth0]/",
    "http://[::1%25lo]/",
    "http://[fec0::1]/",
    "http://[fc00::1]/",
    "http://[fd00:ec2::254]/",
    "http://[ff02::1]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:7f00:1]/",
    "http://[::FFFF:A9FE:A9FE]/",
    "http://[0:0:0:0:0:ffff:10.0.0.1]/",
    "http://[::127.0.0.1]/",
    "http://[::7f00:1]/",
    "http://[::ffff:0:127.0.0.1]/",
    "http://[64:ff9b::127.0.0.1]/",
    "http://[64:ff9b::a9fe:a9fe]/",
    "http://[64:ff9b:1::8.8.8.8]/",
    "http://[2002:7f00:1::]/",
    "http://[2002:c0a8:101::1]/",
    "http://[2002:a9fe:a9fe::]/",
    "http://[2001:0:4136:e378:8000:63bf:3fff:fdd2]/",
    "http://[2001:db8::1]/",
    "http://[2001:2::1]/",
    "http://[3fff::1]/",
    "http://[100::1]/",
    "http://[2a00::5efe:10.0.0.1]/",
    "http://[4000::1]/",
    "http://[::1/",
    "http://::1/",
    "http://[127.0.0.1]/",
    "http://[::ffff:127.1]/",
    "http://[v1.a]/",
    // What IDNA makes of other digits, letters and dots.
    "http://１２７.０.０.１/",
    "http://①②⑦.⓪.⓪.①/",
    "http://127。0。0。1/",
    "http://127．0．0．1/",
    "http://１６９.254.169.254/",
    "http://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ/",
    "http://ｌｏｃａｌｈｏｓｔ/",
    "http://loc\u{ad}alhost/",
    "http://127.0.0\u{200b}.1/",
    "http://𝟏𝟐𝟕.𝟎.𝟎.𝟏/",
    "http://LOCALHOST/",
    "http://xn--/",
    "http://xn--a/",
    // Percent-encoded.
    "http://%31%32%37.0.0.1/",
    "http://127%2e0%2e0%2e1/",
    "http://%6c%6f%63alhost/",
    "http://public.example%00.a/",
    "http://public.example%2f@127.0.0.1/",
    "http://%5b::1%5d/",
    // A user in front, or what looks like one.
    "http://user:hunter2@public.example/",
    "http://user@127.0.0.1/",
    "http://public.example@127.0.0.1/",
    "http://@public.example/",
    "http://:@public.example/",
    "http://public.example:80@127.0.0.1/",
    "http://public.example\\@127.0.0.1/",
    "http://127.0.0.1\\@public.example/",
    "http://a@b@127.0.0.1/",
    "http://public.example#@127.0.0.1/\u{20}",
    "http://127.0.0.1#@public.example/",
    "http://127.0.0.1?@public.example/",
    "http://127.0.0.1/@public.example",
    // Slashes, spaces, line ends, controls.
    "http:\\\\127.0.0.1/",
    "http:127.0.0.1/",
    "http:/127.0.0.1/",
    "http:///127.0.0.1/",
    "http:////public.example/",
    "//127.0.0.1/",
    " http://public.example/",
    "http://public.example/ ",
    "ht\ntp://public.example/",
    "http://public\t.example/",
    "http://127.0\n.0.1/",
    "http://public.example/\r\nX-Injected: 1",
    "http://public.example\0/",
    "http://public.example/\u{a0}a",
    "http://public .example/",
    // Other schemes, and none.
    "",
    "public.example",
    "/",
    "ftp://public.example/",
    "file:///etc/passwd",
    "gopher://127.0.0.1:6379/_PING",
    "data:,a",
    "javascript:alert(1)",
    "unix:///run/a.sock",
    "ws://public.example/",
    "blob:http://public.example/a",
    "HTTPX://a/",
    "FILE:///etc/passwd",
    "httP:public.example",
    "http://",
    "http:///",
    "http://?",
    "https://:443/",
    // Ports.
    "http://public.example:22/",
    "http://public.example:25/",
    "http://public.example:0/",
    "http://public.example:65536/",
    "http://public.example:-1/",
    "http://public.example:80:80/",
    "http://public.example:1023/",
    "http://public.example:8O/",
    // Names of this machine, of its cloud, and such as DNS does not take.
    "http://localhost/",
    "http://LocalHost:8080/",
    "http://a.localhost/",
    "http://localhost.localdomain/",
    "http://ip6-localhost/",
    "http://metadata/",
    "http://metadata.google.internal/",
    "http://METADATA.google.internal/",
    "http://instance-data/",
    "http://a..b/",
    "http://.public.example/",
    "http://*.public.example:99999/",
    // Names that lead where they must not.
    "http://loopback.example/",
    "http://private.example/",
    "http://cloud.example/",
    "http://mapped.example/",
    "http://nat64.example/",
    "http://all.example/",
];

/// What becomes what the table says, and may be called.
const TAKEN: &[(&str, &str)] = &[
    ("http://public.example/", "public.example"),
    ("HTTP://PUBLIC.example:80/a?b=c@d#e", "public.example"),
    ("https://ｐｕｂｌｉｃ.example/", "public.example"),
    ("https://bücher.example:8443/", "xn--bcher-kva.example"),
    ("http://127.0.0.1.nip.example/", "127.0.0.1.nip.example"),
    ("http://a_b.example:65535/", "a_b.example"),
    ("http://mixed.example:1024/", "mixed.example"),
];

/// Knows all names, and leads the public ones to an address at which nobody is; remembers what it was asked.
#[derive(Default)]
struct Names(Mutex<Vec<String>>);

impl Lookup for Names {
    fn lookup(&self, name: &str) -> Looking {
        self.0.lock().unwrap().push(name.to_owned());
        let found: &[&str] = match name {
            "loopback.example" => &["127.0.0.1", "::1"],
            "private.example" => &["192.168.0.7"],
            "cloud.example" => &["169.254.169.254"],
            "mapped.example" => &["::ffff:10.0.0.1"],
            "nat64.example" => &["64:ff9b::7f00:1"],
            "all.example" => &["0.0.0.0", "::", "255.255.255.255"],
            // Would lead here, if anybody asked for it.
            name if name.contains("localhost") => &["127.0.0.1"],
            _ => &[],
        };
        let found: Vec<IpAddr> = found.iter().map(|address| address.parse().unwrap()).collect();
        let answer =
            if found.is_empty() { Err(io::Error::other("known, but not called by a test")) } else { Ok(found) };
        Box::pin(std::future::ready(answer))
    }
}

fn world() -> (Outbound, Arc<Names>) {
    let names = Arc::new(Names::default());
    let lookup: Arc<dyn Lookup> = Arc::<Names>::clone(&names);
    (Outbound::with(&OutboundSettings::default(), &lookup).unwrap(), names)
}

#[tokio::test]
async fn no_spelling_gets_to_where_nobody_may() {
    assert!(REFUSED.len() >= 80, "{}", REFUSED.len());
    let (outbound, _) = world();
    for url in REFUSED {
        let fault = outbound.send(Call::get(*url)).await.expect_err(url);
        assert!(matches!(fault, CallFault::Refused { .. }) && fault.is_permanent(), "{url}: {fault:?}");
        assert!(!fault.to_string().contains("hunter2"), "{url}: {fault}");
    }
}

#[tokio::test]
async fn what_is_public_is_asked_for_by_its_one_name() {
    let (outbound, names) = world();
    for (url, name) in TAKEN {
        let fault = outbound.send(Call::get(*url)).await.expect_err(url);
        assert!(matches!(fault, CallFault::Dns { .. }), "{url}: {fault:?}");
        assert_eq!(names.0.lock().unwrap().pop().as_deref(), Some(*name), "{url}");
    }
    for address in ["http://1.1.1.1/", "http://[2606:4700:4700::1111]/", "http://16843009/", "http://[::ffff:1.1.1.1]/"]
    {
        assert_eq!(outbound.check(address), Ok(()), "{address}");
    }
    let long = format!("http://{}.example/", "a".repeat(64));
    let longer = format!("http://{}/", vec!["a".repeat(60); 5].join("."));
    let longest = format!("http://public.example/{}", "a".repeat(3000));
    for url in [long, longer, longest] {
        assert!(outbound.check(&url).is_err(), "{url}");
    }
}

#[tokio::test]
async fn a_host_may_be_allowed_and_a_metadata_service_not() {
    let names: Arc<dyn Lookup> = Arc::new(Names::default());
    let allow_hosts = "cloud.example,all.example,metadata,localhost".parse().unwrap();
    let outbound = Outbound::with(&OutboundSettings { allow_hosts, ..OutboundSettings::default() }, &names).unwrap();
    for url in ["http://cloud.example/", "http://all.example/", "http://127.0.0.1/", "http://loopback.example/"] {
        let fault = outbound.send(Call::get(url)).await.expect_err(url);
        assert!(fault.is_permanent(), "{url}: {fault:?}");
    }
    assert_eq!(outbound.check("http://metadata/"), Ok(()));
    assert_eq!(outbound.check("http://localhost:8080/"), Ok(()));
    let loopback = [IpAddr::V4(Ipv4Addr::LOCALHOST)];
    assert_eq!(super::resolver::allowed("localhost", &loopback, &outbound.policy).unwrap(), loopback);
}

#[test]
fn a_name_that_leads_to_both_leads_to_what_is_allowed() {
    let (outbound, _) = world();
    let found: Vec<IpAddr> = ["10.0.0.1", "1.1.1.1", "::1"].map(|address| address.parse().unwrap()).to_vec();
    let allowed = super::resolver::allowed("mixed.example", &found, &outbound.policy).unwrap();
    assert_eq!(allowed, ["1.1.1.1".parse::<IpAddr>().unwrap()]);
    let fault = super::resolver::allowed("mixed.example", &found[..1], &outbound.policy).unwrap_err().to_string();
    assert_eq!(
        fault,
        "mixed.example leads to 10.0.0.1, which is private; if it should be called, allow it in [outbound]"
    );
}
