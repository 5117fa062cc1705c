"""A simulated Coinbase Advanced Trade that speaks the real wire.

`trading-engine simulate-exchange` serves it; stock ccxt talks to it with only the URL changed. It
imports nothing of the engine but its errors: it shares no fee, rounding or fill code with what it
judges.

    command -> server -> exchange (the one place where an answer is made)
                           -> routes_market, routes_orders, routes_account -> venue -> tape, ledger
"""
