#!/usr/bin/env bash
# A country in a box: network namespaces with BIRD, BIND, nginx and exim, in which North Korea can vanish.
#   lab.sh up | down | reset | status | scene NAME | undo NAME | exec NS COMMAND… | announce BLOCKS GATEWAYS | answer BLOCKS
# watch (our bot) - world (controls, route collector's peers) - gw1 AS4837, gw2 AS20485 - kp AS131279 with four /24s.
# Environment: LAB_PREFIX (ld), LAB_DIR (/tmp/lab-$LAB_PREFIX; short, since sockets below it may have 107 characters, and
# readable for Debian-exim). Everything stands in namespaces and below LAB_DIR; `down` leaves nothing.
set -u
export LC_ALL=C PATH=/usr/sbin:/usr/bin:/sbin:/bin
P=${LAB_PREFIX:-ld}
D=${LAB_DIR:-/tmp/lab-$P}
TTL=${LAB_TTL:-5}                   # TTL of all records and cap of the resolver's cache
PEERS="64496:11:gw1 64497:12:gw2 64498:13:gw1 64499:14:gw2"   # ASN:host part on the IX:preferred gateway
HOLD=${LAB_HOLD:-9}                 # BGP hold time in seconds (3..): only matters for a cut without loss of carrier
NSS="watch world gw1 gw2 kp"
die() { echo "lab: $*" >&2; exit 1; }
N() { local n=$1; shift; nsenter --net=/run/netns/$P-$n "$@"; }
IPB() { ip -n "$P-$1" -batch -; }
now() { local t=$EPOCHREALTIME; echo $(( ${t/./} / 1000 )); }
birdc_() { local b=$1; shift; birdc -s "$D/$b/bird.ctl" "$@" 2>&1 | tail -n +2; }   # sockets are in the file system: no netns needed

# ---------------------------------------------------------------- files
conf_bird_head() { # dir router-id
  cat <<X
log "$D/$1/bird.log" all;
router id $2;
timeformat log iso long ms;
protocol device { scan time 10; }
template bgp fast {
  hold time $HOLD; keepalive time $((HOLD/3));
  connect delay time 0; connect retry time 1;
  error wait time 1, 1; error forget time 5;
  startup hold time 10;
  check link yes;
  graceful restart off; long lived graceful restart off;
  enable extended messages off;
}
X
}
conf_gw() { # gw1 AS IP ixhost linknet peerpref
  local g=$1 as=$2 ip=$3 ix=$4 net=$5 p a h pref
  { conf_bird_head "$g" "$ip"
  cat <<X
protocol static own { ipv4; route ${ip%.*.*}.0.0/16 unreachable; route 0.0.0.0/0 via 10.254.0.1; }
protocol kernel { scan time 10; ipv4 { import none; export filter {
    if net = ${ip%.*.*}.0.0/16 then reject;
    krt_prefsrc = $ip;               # so that ICMP errors of this router (traceroute) come from $ip
    accept; }; }; }
protocol bgp kp from fast { local $net.1 as $as; neighbor $net.2 as 131279;
  ipv4 { import where net ~ [175.45.176.0/22{22,32}]; export where net = 0.0.0.0/0; next hop self; }; }
X
  for p in $PEERS; do IFS=: read -r a h pref <<<"$p"; cat <<X
protocol bgp p$a from fast { local 10.254.0.$ix as $as; neighbor 10.254.0.$h as $a;
  ipv4 { import none; export where net != 0.0.0.0/0; next hop self; }; }
X
  done; } >"$D/$g/bird.conf"
}
conf_peer() { # ASN host pref
  local a=$1 h=$2 pref=$3 l1=100 l2=100
  [ "$pref" = gw1 ] && l1=200 || l2=200
  { conf_bird_head "p$a" "10.254.0.$h"
  for g in gw1:101:4837:$l1 gw2:102:20485:$l2; do IFS=: read -r n x as lp <<<"$g"; cat <<X
protocol bgp $n from fast { strict bind yes; local 10.254.0.$h as $a; neighbor 10.254.0.$x as $as;
  ipv4 { import filter { bgp_local_pref = $lp; accept; }; export none; }; }
X
  done
  cat <<X
protocol bgp collector from fast { strict bind yes; multihop 2; check link no;
  hold time 180; keepalive time 60;
  local 10.254.0.$h as $a; neighbor 10.255.0.1 as 12654;
  ipv4 { import none; export where source ~ [ RTS_BGP, RTS_STATIC ]; next hop self; }; }
# Calm blocks, by which the stream itself is judged: every peer has its own route there.
protocol static calm { ipv4; route 193.0.0.0/21 unreachable; route 198.41.0.0/24 unreachable; route 202.12.27.0/24 unreachable; }
X
  # the first peer is also the router of the world: it writes the kernel's routes
  [ "$a" = "${PEERS%%:*}" ] && cat <<X
protocol kernel { scan time 10; ipv4 { import none; export where source = RTS_BGP; }; }
X
  } >"$D/p$a/bird.conf"
}
conf_kp() {
  { conf_bird_head kp 175.45.178.1
  for i in 176 177 178 179; do echo "protocol static r$i { ipv4; route 175.45.$i.0/24 unreachable; }"; done
  cat <<X
protocol kernel { scan time 10; ipv4 { import none; export where source = RTS_BGP; }; }
protocol bgp gw1 from fast { local 10.254.1.2 as 131279; neighbor 10.254.1.1 as 4837;
  ipv4 { import filter { bgp_local_pref = 200; accept; }; export where source = RTS_STATIC; }; }
protocol bgp gw2 from fast { local 10.254.2.2 as 131279; neighbor 10.254.2.1 as 20485;
  ipv4 { import filter { bgp_local_pref = 100; accept; }; export where source = RTS_STATIC; }; }
X
  } >"$D/kp/bird.conf"
}
conf_named_head() { # dir
  cat <<X
  directory "$D/$1"; pid-file "$D/$1/named.pid"; session-keyfile none; lock-file none;
  dnssec-validation no; empty-zones-enable no; notify no; querylog no;
  minimal-responses no-auth-recursive; allow-query { any; };
X
}
conf_named_log() { # dir; first statement after options
  cat <<X
controls { };
logging { channel f { file "$D/$1/named.log"; severity info; print-time yes; print-category yes; };
  category default { f; }; category lame-servers { null; }; };
X
}
conf_dns() {
  local i
  cat >"$D/kp/kp.zone" <<X
\$TTL $TTL
\$ORIGIN kp.
@ SOA ns1.kptc.kp. postmaster.kptc.kp. ( 2024010101 300 60 86400 $TTL )
  NS ns1.kptc.kp.
  NS ns2.kptc.kp.
ns1.kptc A 175.45.176.15
ns2.kptc A 175.45.176.16
kcna A 175.45.176.71
www.kcna A 175.45.176.71
rodong.rep A 175.45.176.68
www.rodong.rep A 175.45.176.68
naenara.com A 175.45.176.67
www.naenara.com A 175.45.176.67
airkoryo.com A 175.45.176.69
www.airkoryo.com A 175.45.176.69
mfa.gov A 175.45.176.75
www.mfa.gov A 175.45.176.75
star-co.net MX 10 smtp.star-co.net.kp.
smtp.star-co.net A 175.45.178.56
mail.silibank.net A 175.45.176.20
X
  for i in 1 2; do
    { echo "options {"; conf_named_head "ns$i"
      echo "  recursion no; listen-on { 175.45.176.$((14+i)); }; listen-on-v6 { none; };"
      echo "};"; conf_named_log "ns$i"
      echo "zone \"kp\" { type primary; file \"$D/kp/kp.zone\"; };"; } >"$D/ns$i/named.conf"
  done
  cat >"$D/world/root.zone" <<X
\$TTL $TTL
. SOA a.root-servers.net. nstld.verisign-grs.com. ( 2024010101 1800 900 604800 $TTL )
. NS a.root-servers.net.
. NS k.root-servers.net.
. NS m.root-servers.net.
a.root-servers.net. A 198.41.0.4
k.root-servers.net. A 193.0.14.129
m.root-servers.net. A 202.12.27.33
kp. NS ns1.kptc.kp.
kp. NS ns2.kptc.kp.
ns1.kptc.kp. A 175.45.176.15
ns2.kptc.kp. A 175.45.176.16
com. NS a.gtld-servers.net.
net. NS a.gtld-servers.net.
org. NS a.gtld-servers.net.
a.gtld-servers.net. A 192.5.6.30
X
  cat >"$D/world/com.zone" <<X
\$TTL $TTL
com. SOA a.gtld-servers.net. nstld.verisign-grs.com. ( 2024010101 1800 900 604800 $TTL )
com. NS a.gtld-servers.net.
example.com. A 104.16.0.1
example.com. AAAA 2606:4700::6810:1
www.example.com. A 104.16.0.1
detectportal.firefox.com. A 104.16.0.2
connectivitycheck.gstatic.com. A 104.16.0.2
connectivitycheck.gstatic.com. AAAA 2606:4700::6810:2
X
  for i in net org; do cat >"$D/world/$i.zone" <<X
\$TTL $TTL
$i. SOA a.gtld-servers.net. nstld.verisign-grs.com. ( 2024010101 1800 900 604800 $TTL )
$i. NS a.gtld-servers.net.
example.$i. A 104.16.0.1
X
  done
  # the names by which the resolvers know themselves: one zone each, as they are
  for i in one.one.one.one:1.1.1.1 dns.google:8.8.8.8 dns9.quad9.net:9.9.9.9; do cat >"$D/world/${i%%:*}.zone" <<X
\$TTL $TTL
@ SOA a.gtld-servers.net. nstld.verisign-grs.com. ( 2024010101 1800 900 604800 $TTL )
@ NS a.gtld-servers.net.
@ A ${i#*:}
X
  done
  cat >>"$D/world/net.zone" <<X
a.gtld-servers.net. A 192.5.6.30
a.root-servers.net. A 198.41.0.4
k.root-servers.net. A 193.0.14.129
m.root-servers.net. A 202.12.27.33
X
  for i in 1:10.0.0.1 2:104.16.0.99; do cat >"$D/world/liar${i%%:*}.zone" <<X
\$TTL 60
. SOA portal. portal. ( 1 1800 900 604800 60 )
. NS portal.
. A ${i#*:}
* A ${i#*:}
X
  done
  { echo "options {"; conf_named_head world; cat <<X
  listen-on { 1.1.1.1; 8.8.8.8; 9.9.9.9; 198.41.0.4; 193.0.14.129; 202.12.27.33; 192.5.5.241; 192.36.148.17; 192.5.6.30; 10.255.0.53; 10.255.0.54; 101.198.198.198; 217.150.35.129; };
  listen-on-v6 { 2606:4700:4700::1111; 2001:4860:4860::8888; 2001:7fd::1; 2001:dc3::35; fd00:255::53; };
  max-cache-ttl $TTL; max-ncache-ttl 1; servfail-ttl 0; lame-ttl 0;
  max-recursion-queries 5;   # SERVFAIL after 2..3 s when no server of kp answers (resolver-query-timeout cannot go below 10 s)
  qname-minimization off; max-cache-size 8m;
X
    echo "};"; conf_named_log world; cat <<X
view root { match-destinations { 198.41.0.4; 193.0.14.129; 202.12.27.33; 192.5.5.241; 192.36.148.17; 2001:7fd::1; 2001:dc3::35; }; recursion no;
  zone "." { type primary; file "root.zone"; }; };
view tld { match-destinations { 192.5.6.30; }; recursion no;
  zone "com" { type primary; file "com.zone"; }; zone "net" { type primary; file "net.zone"; }; zone "org" { type primary; file "org.zone"; }; };
view liar1 { match-destinations { 10.255.0.53; fd00:255::53; }; recursion no;
  zone "." { type primary; file "liar1.zone"; }; };
view liar2 { match-destinations { 10.255.0.54; }; recursion no;
  zone "." { type primary; file "liar2.zone"; }; };
view resolver { match-destinations { any; }; recursion yes; allow-recursion { any; }; allow-query-cache { any; };
  // local copies for all but kp, so that no query is spent on priming and on glue (they count for max-recursion-queries)
  zone "." { type primary; file "root.zone"; };
  zone "com" { type primary; file "com.zone"; }; zone "net" { type primary; file "net.zone"; }; zone "org" { type primary; file "org.zone"; };
  zone "one.one.one.one" { type primary; file "one.one.one.one.zone"; }; zone "dns.google" { type primary; file "dns.google.zone"; };
  zone "dns9.quad9.net" { type primary; file "dns9.quad9.net.zone"; };
  zone "kp" { type static-stub; server-addresses { 175.45.176.15; 175.45.176.16; }; }; };
X
  } >"$D/world/named.conf"
}
conf_nginx_head() { # dir
  cat <<X
user root; worker_processes 1; daemon on; pid $D/$1/nginx.pid; error_log $D/$1/nginx.err;
events { worker_connections 256; }
http {
  access_log $D/$1/access.log; server_tokens on; default_type text/html; types { text/html html; } keepalive_timeout 5;
  client_body_temp_path $D/$1/tmp; proxy_temp_path $D/$1/tmp; fastcgi_temp_path $D/$1/tmp; uwsgi_temp_path $D/$1/tmp; scgi_temp_path $D/$1/tmp;
X
}
conf_web() {
  local s ip name title
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650 -subj /CN=naenara.com.kp \
    -addext subjectAltName=DNS:naenara.com.kp,DNS:www.naenara.com.kp -keyout "$D/kp/key.pem" -out "$D/kp/cert.pem" 2>/dev/null
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650 -subj /CN=example.com \
    -addext subjectAltName=DNS:example.com,DNS:connectivitycheck.gstatic.com,DNS:one.one.one.one,DNS:dns.google,IP:1.1.1.1,IP:8.8.8.8 \
    -keyout "$D/world/key.pem" -out "$D/world/cert.pem" 2>/dev/null
  { conf_nginx_head kp
    for s in "71 kcna.kp www.kcna.kp" "68 www.rodong.rep.kp rodong.rep.kp" "67 naenara.com.kp www.naenara.com.kp" \
             "69 airkoryo.com.kp www.airkoryo.com.kp" "75 mfa.gov.kp www.mfa.gov.kp"; do
      read -r ip name title <<<"$s"
      mkdir -p "$D/kp/www/$name"
      echo "<html><head><title>$name</title></head><body><h1>$name</h1><p>Page of $name in the lab.</p></body></html>" >"$D/kp/www/$name/index.html"
      echo "  server { listen 175.45.176.$ip:80; server_name $name $title; root $D/kp/www/$name;"
      [ "$ip" = 67 ] && echo "    listen 175.45.176.$ip:443 ssl; ssl_certificate $D/kp/cert.pem; ssl_certificate_key $D/kp/key.pem;"
      echo "    if (-f $D/kp/flag503) { return 503; } }"
    done
    echo "  server { listen 175.45.177.1:80; listen 175.45.177.10:80; return 200 \"ok\\n\"; }"
    echo "  server { listen 175.45.178.161:443 ssl; ssl_certificate $D/kp/cert.pem; ssl_certificate_key $D/kp/key.pem; return 200 \"ok\\n\"; }"
    echo "}"; } >"$D/kp/nginx.conf"
  { conf_nginx_head world; cat <<X
  ssl_certificate $D/world/cert.pem; ssl_certificate_key $D/world/key.pem;
  server { listen 104.16.0.1:80; listen 104.16.0.1:443 ssl; listen [2606:4700::6810:1]:80; listen [2606:4700::6810:1]:443 ssl;
    server_name example.com; location / { return 200 "<title>Example Domain</title>\n"; } }
  server { listen 104.16.0.2:80; listen 104.16.0.2:443 ssl; listen [2606:4700::6810:2]:80; listen [2606:4700::6810:2]:443 ssl;
    server_name connectivitycheck.gstatic.com; location = /generate_204 { return 204; } location / { return 404; } }
  server { listen 104.16.0.2:80; server_name detectportal.firefox.com; location = /success.txt { return 200 "success\n"; } }
  server { listen 1.1.1.1:443 ssl; listen 8.8.8.8:443 ssl; listen [2606:4700:4700::1111]:443 ssl; listen [2001:4860:4860::8888]:443 ssl; return 200 "dns\n"; }
  server { listen 10.255.0.80:80; listen 10.255.0.80:443 ssl; listen [fd00:255::80]:80; listen [fd00:255::80]:443 ssl;
    location / { return 302 http://portal.invalid/login; } }
  server { listen 104.16.0.99:80; listen 104.16.0.99:443 ssl; location / { return 200 "<title>Please log in</title>\n"; } }
}
X
  } >"$D/world/nginx.conf"
}
conf_mail() {
  cat >"$D/kp/exim.conf" <<X
primary_hostname = smtp.star-co.net.kp
smtp_banner = \${if eq{\$received_ip_address}{175.45.178.56}{smtp.star-co.net.kp}{\${if eq{\$received_ip_address}{175.45.176.20}{mail.silibank.net.kp}{mail.star.edu.kp}}}} ESMTP
smtp_active_hostname = \${if eq{\$received_ip_address}{175.45.178.56}{smtp.star-co.net.kp}{\${if eq{\$received_ip_address}{175.45.176.20}{mail.silibank.net.kp}{mail.star.edu.kp}}}}
local_interfaces = <; 175.45.178.56 ; 175.45.176.20 ; 175.45.179.69
daemon_smtp_ports = 25 : 465
disable_ipv6 = true
spool_directory = $D/kp/spool
log_file_path = $D/kp/spool/exim-%slog
pid_file_path = $D/kp/exim.pid
host_lookup =
rfc1413_query_timeout = 0s
tls_advertise_hosts =
smtp_enforce_sync = false
keep_environment =
acl_smtp_rcpt = rcpt
begin acl
rcpt: deny message = 550 relay not permitted
begin routers
begin transports
begin retry
begin rewrite
begin authenticators
X
}

# ---------------------------------------------------------------- network
net_up() {
  local n
  for n in $NSS; do ip netns add "$P-$n" || return 1; done
  for n in $NSS; do N $n sh -c '
    cd /proc/sys/net
    echo 0 >ipv6/conf/all/accept_dad; echo 0 >ipv6/conf/default/accept_dad; echo 1 >ipv6/conf/all/keep_addr_on_down; echo 1 >ipv6/conf/default/keep_addr_on_down
    echo 0 >ipv4/conf/all/rp_filter; echo 0 >ipv4/conf/default/rp_filter
    echo 0 >ipv6/conf/default/accept_ra; echo 0 >ipv4/icmp_ratelimit
    echo "0 2147483647" >ipv4/ping_group_range
    [ '$n' = watch ] || { echo 1 >ipv4/ip_forward; echo 1 >ipv6/conf/all/forwarding; }' || return 1
  done
  # veths are made inside the namespaces, so their names need no prefix and never show in the host's namespace
  IPB watch <<X || return 1
link set lo up
link add eth0 type veth peer name wan netns $P-world
addr add 203.0.113.2/30 dev eth0
addr add 2001:db8:77::2/64 dev eth0 nodad
link set eth0 up
X
  IPB world <<X || return 1
link set lo up
link add ix type bridge
link set ix up
link add gw1 type veth peer name ix netns $P-gw1
link add gw2 type veth peer name ix netns $P-gw2
link set gw1 master ix up
link set gw2 master ix up
addr add 203.0.113.1/30 dev wan
addr add 2001:db8:77::1/64 dev wan nodad
link set wan up
addr add 10.254.0.1/24 dev ix
addr add 10.254.0.11/24 dev ix
addr add 10.254.0.12/24 dev ix
addr add 10.254.0.13/24 dev ix
addr add 10.254.0.14/24 dev ix
$(for a in 10.255.0.1 10.255.0.53 10.255.0.54 10.255.0.80 1.1.1.1 8.8.8.8 9.9.9.9 198.41.0.4 193.0.14.129 202.12.27.33 192.5.5.241 192.36.148.17 101.198.198.198 217.150.35.129 192.5.6.30 104.16.0.1 104.16.0.2 104.16.0.99; do echo "addr add $a/32 dev lo"; done)
$(for a in 2606:4700:4700::1111 2001:4860:4860::8888 2001:7fd::1 2001:dc3::35 2606:4700::6810:1 2606:4700::6810:2 fd00:255::53 fd00:255::80; do echo "addr add $a/128 dev lo nodad"; done)
X
  for n in gw1:101:1:202.97.0.1 gw2:102:2:188.43.0.1; do
    IFS=: read -r g x l a <<<"$n"
    IPB $g <<X || return 1
link set lo up
addr add $a/32 dev lo
addr add 10.254.0.$x/24 dev ix
link set ix up
link add kp type veth peer name $g netns $P-kp
addr add 10.254.$l.1/30 dev kp
link set kp up
X
  done
  IPB kp <<X || return 1
link set lo up
addr add 10.254.1.2/30 dev gw1
addr add 10.254.2.2/30 dev gw2
link set gw1 up
link set gw2 up
$(for a in 176.71 176.68 176.67 176.69 176.75 176.15 176.16 176.20 177.1 177.10 178.1 178.56 178.161 179.69; do echo "addr add 175.45.$a/32 dev lo"; done)
route add blackhole 175.45.176.0/22
X
  IPB watch <<X || return 1
route add default via 203.0.113.1
route add default via 2001:db8:77::1
X
}

# ---------------------------------------------------------------- daemons
start_bird() { N "$1" bird -c "$D/$2/bird.conf" -s "$D/$2/bird.ctl" -P "$D/$2/bird.pid"; }          # ns dir
start_named() { N "$1" named -c "$D/$2/named.conf" -n 1 -U 1 >>"$D/$2/named.out" 2>&1; }             # ns dir; returns when it serves
start_nginx() { N "$1" nginx -e "$D/$1/nginx.err" -c "$D/$1/nginx.conf" 2>>"$D/$1/nginx.out"; }
start_exim() { N kp exim4 -C "$D/kp/exim.conf" -bd -oP "$D/kp/exim.pid" >>"$D/kp/exim.out" 2>&1; }
alive() { local st; { read -r st <"/proc/$1/stat"; } 2>/dev/null && [[ $st != *") Z "* ]]; }   # a zombie (PID 1 here reaps late) counts as dead
stop_pid() { # file [signal]: ends one daemon and waits for it
  local f=$1 s=${2:-TERM} p i; [ -s "$f" ] || return 0
  p=$(<"$f"); p=${p%% *}; kill -$s "$p" 2>/dev/null
  for ((i=0; i<200; i++)); do alive "$p" || break; sleep .01; [ $i = 150 ] && kill -9 "$p" 2>/dev/null; done
  rm -f "$f"
}
start_kp_daemons() { start_bird kp kp; start_named kp ns1 & start_named kp ns2 & start_nginx kp; start_exim; wait; }

wait_for() { # seconds cmd...: polls every 20 ms
  local end=$(( $(now) + $1 * 1000 )); shift
  until "$@" >/dev/null 2>&1; do [ "$(now)" -gt $end ] && return 1; sleep .02; done
}
via() { ip -n "$P-world" route get "${1:-175.45.176.15}" 2>/dev/null | grep -q "via 10.254.0.${2:-101} "; }
kp_default() { ip -n "$P-kp" route show default | grep -q .; }
bgp_up() { local p n   # all sessions, not only kp's; and the kernel's routes
  [ "$(birdc_ kp show protocols | grep -c Established)" = 2 ] || return 1
  for p in $PEERS; do n=$(birdc_ "p${p%%:*}" show protocols | grep -c '^gw.*Established'); [ "$n" = 2 ] || return 1; done
  via && via 202.97.0.1 101 && via 188.43.0.1 102; }
mail_ok() { printf 'QUIT\r\n' | N watch nc -w 1 175.45.178.56 25 | grep -q ^220; }   # exim -bd exits 0 even if the daemon dies right after
serving() { kp_default && N watch dig +time=1 +tries=1 +short @8.8.8.8 kcna.kp | grep -q 175.45.176.71; }

up() {
  local t0 p a h pref; t0=$(now)
  [ "$(id -u)" = 0 ] || die "needs root"
  [ ${#D} -le 80 ] || die "LAB_DIR is too long for unix sockets"
  ip netns list | grep -q "^$P-world\b" && die "lab $P is up already (or half up: lab.sh down)"
  mkdir -p "$D"/{world,gw1,gw2,kp,ns1,ns2} "$D"/{kp,world}/tmp "$D/kp/spool"; chmod 755 "$D"
  for p in $PEERS; do mkdir -p "$D/p${p%%:*}"; done
  chown -R Debian-exim "$D/kp/spool"
  echo "nameserver 1.1.1.1
nameserver 8.8.8.8
options timeout:2 attempts:1" >"$D/resolv.conf"
  setpriv --reuid Debian-exim --clear-groups --regid Debian-exim test -w "$D/kp/spool" || { rm -rf "$D"; die "Debian-exim cannot reach $D (a parent folder with mode 700?)"; }
  conf_gw gw1 4837 202.97.0.1 101 10.254.1; conf_gw gw2 20485 188.43.0.1 102 10.254.2; conf_kp
  for p in $PEERS; do IFS=: read -r a h pref <<<"$p"; conf_peer "$a" "$h" "$pref"; done
  conf_dns; conf_web; conf_mail
  net_up || { down; die "network"; }
  start_bird gw1 gw1; start_bird gw2 gw2
  for p in $PEERS; do start_bird world "p${p%%:*}"; done
  start_nginx world; start_named world world &
  start_kp_daemons
  wait
  wait_for 10 bgp_up || { echo "lab: BGP is not up" >&2; return 1; }
  wait_for 10 serving || { echo "lab: DNS does not serve" >&2; return 1; }
  wait_for 5 mail_ok || { echo "lab: no mail server" >&2; return 1; }
  echo "up in $(( $(now) - t0 )) ms, state in $D"
}
down() {
  local n t0 i pids; t0=$(now)
  for n in $NSS; do pids=$(ip netns pids "$P-$n" 2>/dev/null) && [ -n "$pids" ] && kill -9 $pids 2>/dev/null; done
  for n in $NSS; do
    for ((i=0; i<100; i++)); do [ -z "$(ip netns pids "$P-$n" 2>/dev/null)" ] && break; sleep .02; done
    [ -e "/run/netns/$P-$n" ] && ip netns del "$P-$n"
  done
  [ -n "${LAB_KEEP:-}" ] || rm -rf "$D"
  echo "down in $(( $(now) - t0 )) ms"
}
# ---------------------------------------------------------------- knobs, used by the scenes
cable() { ip -n "$P-$1" link set kp "$2"; }                              # gw1|gw2 up|down (the gateway's end; kp's loses its carrier)
announce() { # "176 177" "gw1 gw2": what kp announces, and to whom
  local i on= off=
  for i in gw1 gw2; do if [[ " $2 " == *" $i "* ]]; then on+="enable $i\n"; else off+="disable $i\n"; fi; done
  for i in 176 177 178 179; do if [[ " $1 " == *" $i "* ]]; then on+="enable r$i\n"; else off+="disable r$i\n"; fi; done
  printf "$off$on" | birdc_ kp >/dev/null     # what is to go goes first
}
answer() { # "176 177": which /24 answer; the packets to the others are lost in kp
  local i s=
  for i in 176 177 178 179; do [[ " $1 " == *" $i "* ]] || s+="${s:+, }175.45.$i.0/24"; done
  { echo "table inet mute {}"; echo "delete table inet mute"
    [ -z "$s" ] || echo "table inet mute { chain pre { type filter hook prerouting priority -300; iifname { gw1, gw2 } ip daddr { $s } drop; }; }"
  } | N kp nft -f -
}
line_rule() { # name rules...: a netdev table on world's end of our own line, both directions
  local t=$1; shift
  { echo "table netdev $t {}"; echo "delete table netdev $t"
    echo "table netdev $t { chain in { type filter hook ingress device wan priority 0; $*; }"
    echo "  chain out { type filter hook egress device wan priority 0; $*; }"; echo "}"; } | N world nft -f -
}
loss_oneway() { awk -v p="$1" 'BEGIN { printf "%d", 1000 * (1 - sqrt(1 - p/100)) + .5 }'; }   # per mille per direction
line_free() { printf 'table netdev %s {}\ndelete table netdev %s\n' "$1" "$1" | N world nft -f -; }
portal() { # table dns-liar [web-portal]
  local web=
  [ -z "${3:-}" ] || web="meta nfproto ipv4 tcp dport { 80, 443 } dnat ip to $3
    meta nfproto ipv6 tcp dport { 80, 443 } dnat ip6 to fd00:255::80"
  N world nft -f - <<X
table inet $1 {
  chain pre { type nat hook prerouting priority dstnat;
    iifname != wan accept
    meta nfproto ipv4 meta l4proto { tcp, udp } th dport 53 dnat ip to $2
    meta nfproto ipv6 meta l4proto { tcp, udp } th dport 53 dnat ip6 to fd00:255::53
    $web
  }
}
X
}

scene() {
  case $1 in
    cable1) cable gw1 down ;;
    cable2) cable gw2 down ;;
    cables) cable gw1 down; cable gw2 down ;;
    cable1-silent) N gw1 nft -f - <<<'table netdev cut { chain in { type filter hook ingress device kp priority 0; drop; }; chain out { type filter hook egress device kp priority 0; drop; }; }' ;;
    power)  cable gw1 down; cable gw2 down; kill_kp ;;
    mute)   answer "" ;;                                   # routes stay, nothing answers
    dns)    stop_pid "$D/ns1/named.pid"; stop_pid "$D/ns2/named.pid" ;;
    dns1)   stop_pid "$D/ns1/named.pid" ;;
    web503) touch "$D/kp/flag503" ;;
    line)   ip -n "$P-world" link set wan down ;;          # our own line, carrier lost
    line-silent) line_rule linecut drop ;;                 # our own line, carrier stays
    line6)  line_rule line6 "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept; meta protocol ip6 drop" ;;
    line4)  line_rule line4 "meta protocol ip drop" ;;
    loss)   line_rule loss "numgen random mod 1000 < $(loss_oneway ${2:-30}) drop" ;;   # so many % of the round trips
    loss-each) line_rule loss "numgen random mod 100 < ${2:-30} drop" ;;
    withdraw) announce "" "gw1 gw2"; answer "" ;;          # quiet start for the return in parts
    back1)  announce 176 gw1; answer 176 ;;
    back2)  announce "" gw1; answer "" ;;
    back3)  announce "176 177" gw1; answer "176" ;;
    back4)  announce "176 177 178" "gw1 gw2"; answer "176 177 178" ;;
    portal) portal portal 10.255.0.53 10.255.0.80 ;;
    liar)   portal liar 10.255.0.53 ;;
    liar-public) portal liarp 10.255.0.54 ;;
    quiet)  N world nft 'table inet quiet { chain out { type filter hook output priority 0; icmp type destination-unreachable drop; }; }' ;;  # world's router says nothing for missing routes
    *) die "no such scene: $1" ;;
  esac
}
kill_kp() { local pids; pids=$(ip netns pids "$P-kp"); [ -z "$pids" ] || kill -9 $pids 2>/dev/null; rm -f "$D"/kp/*.pid "$D"/ns?/*.pid; }
undo() {
  case $1 in
    cable1) cable gw1 up ;;
    cable2) cable gw2 up ;;
    cables) cable gw1 up; cable gw2 up ;;
    cable1-silent) N gw1 nft delete table netdev cut ;;
    power)  cable gw1 up; cable gw2 up; start_kp_daemons ;;
    mute)   answer "176 177 178 179" ;;
    dns)    start_named kp ns1 & start_named kp ns2 & wait ;;
    dns1)   start_named kp ns1 ;;
    web503) rm -f "$D/kp/flag503" ;;
    line)   ip -n "$P-world" link set wan up ;;
    line-silent) line_free linecut ;;
    line6|line4) line_free $1 ;;
    loss*)  line_free loss ;;
    withdraw|back?) announce "176 177 178 179" "gw1 gw2"; answer "176 177 178 179" ;;
    portal) N world nft delete table inet portal ;;
    liar)   N world nft delete table inet liar ;;
    liar-public) N world nft delete table inet liarp ;;
    quiet)  N world nft delete table inet quiet ;;
    *) die "no such scene: $1" ;;
  esac
}
reset() { # undoes whatever is on
  local n f
  for n in world gw1 kp; do N $n nft flush ruleset; done
  rm -f "$D/kp/flag503"; ip -n "$P-world" link set wan up; cable gw1 up; cable gw2 up
  running() { [ -s "$1" ] && { f=$(<"$1"); alive "${f%% *}"; }; }
  running "$D/kp/bird.pid" || start_bird kp kp
  for n in ns1 ns2; do running "$D/$n/named.pid" || start_named kp $n; done
  running "$D/kp/nginx.pid" || start_nginx kp
  running "$D/kp/exim.pid" || start_exim
  announce "176 177 178 179" "gw1 gw2"
  wait_for 10 bgp_up && wait_for 10 serving && wait_for 5 mail_ok
}
ns_exec() { # NS CMD...: with the lab's resolv.conf over /etc/resolv.conf, in a mount namespace of its own
  local n=$1; shift
  LAB_RES="$D/resolv.conf" nsenter --net="/run/netns/$P-$n" unshare -m --propagation private \
    sh -c 'mount --bind "$LAB_RES" /etc/resolv.conf && unset LAB_RES && exec "$@"' sh "$@"
}

if [ "${BASH_SOURCE[0]}" = "$0" ]; then
  c=${1:-}; shift || true
  case $c in
    up|down|reset) $c ;;
    scene|undo) $c "$@" ;;
    exec) ns_exec "$@" ;;
    birdc) birdc_ "$@" ;;
    announce|answer) $c "$@" ;;
    status) for b in gw1 gw2 kp p64496; do echo "== $b"; birdc_ $b show protocols; done; ip -n "$P-world" route ;;
    *) sed -n 2,7p "$0"; exit 2 ;;
  esac
fi
