"""The explorer: a release in a browser. `younger-hf explore` starts it; a Hugging Face Space runs the same.

In goes a `Release`, on disk or on the Hub; out come pages. What stands in the release and what a visitor hands in is
untrusted: all of it is shown as text.

    catalogue   the rows in memory, filtered, searched and sorted: what Browse asks
    query       what Browse is asked, as the query string of a URL has it
    afterwards  what takes long, made once on a thread
    kept        results that are kept, and made once for all who ask at once
    shelf       rows of the release that are at hand
    facts       one row: its facts, models, modules, downloads
    pictures    drawings of rows and of their modules
    comparison  two rows, side by side
    relatives   rows near a row or a model, by sketch and by operators
    encoder     what a trained encoder answers, in the process that aside begins for it
    aside       such a process
    learned     what a trained encoder suggests
    embedded    rows near by its vectors
    remembered  what took long to make, in the user's cache
    figures     the release as a whole: plots, and the map
    standings   its leaderboard, scored anew
    handing_in  files, addresses and texts that visitors hand in
    known       what is said of those
    login       who is logged in with the Hub, and may contribute
    visitors    how much a visitor may ask
    pages       HTML of all this
    explorer    what the handlers of addresses work with
    answers     those handlers; known_page those of what is handed in, login_page those of logins
    server      the addresses, and a server for them
"""
