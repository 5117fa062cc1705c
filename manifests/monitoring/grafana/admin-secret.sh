#!/bin/bash
# Runs before Grafana: the admin's password as a file, from the Secret `grafana-admin`, which is made with a random one
# unless it is there. Grafana reads it when it makes its database; later it is changed in Grafana itself.
set -euo pipefail
: "${NAMESPACE:?}" "${TARGET:?}"
account="${SERVICE_ACCOUNT:-/var/run/secrets/kubernetes.io/serviceaccount}"
secrets="${API_SERVER:-https://kubernetes.default.svc}/api/v1/namespaces/$NAMESPACE/secrets"
umask 077

ask() { # METHOD PATH [BODY]: prints the answer, then its status on a line of its own
  # Token and body go through files: everybody on a node can read a command line.
  curl --silent --show-error --write-out '\n%{http_code}' --max-time 20 --retry 5 --retry-connrefused \
    --cacert "$account/ca.crt" --header @<(printf 'Authorization: Bearer %s' "$(<"$account/token")") \
    --header 'Content-Type: application/json' --request "$1" ${3:+--data @<(printf '%s' "$3")} "$secrets$2"
}

for _ in 1 2 3; do
  answer="$(ask GET /grafana-admin)"
  case "${answer##*$'\n'}" in
    200)
      encoded="$(grep -o '"password": *"[^"]*"' <<<"$answer" | head -n 1 | cut -d '"' -f 4 || true)"
      [ -n "$encoded" ] || { echo "the Secret grafana-admin has no key \"password\"" >&2; exit 1; }
      base64 -d <<<"$encoded" >"$TARGET"
      echo "the password is that of the Secret grafana-admin"
      exit 0
      ;;
    404)
      password="$(head -c 24 /dev/urandom | base64 | tr '+/' '-_')"
      answer="$(ask POST "" '{"apiVersion":"v1","kind":"Secret","type":"Opaque","metadata":{"name":"grafana-admin"},
        "stringData":{"user":"admin","password":"'"$password"'"}}')"
      # 409: somebody else made it meanwhile, and theirs is the one.
      case "${answer##*$'\n'}" in 201 | 409) ;; *) break ;; esac
      ;;
    *) break ;;
  esac
done
echo "the API server answered HTTP ${answer##*$'\n'} about the Secret grafana-admin" >&2
exit 1
