import sys, time, subprocess, yaml, json
import pytest, psycopg
from tests.acceptance.company import Company, wait_until, free_port, clean_environment
from tests.acceptance.conftest import company, prefork
from tests import postgres
@pytest.fixture
def srv():
    with postgres.running() as s: yield s

def test_two(company, srv):
  for turn in range(4):
    url=srv.database(); company.staff(10); company.configure({"ledger":{"url":url}})
    ps=[]
    for n in range(3):
        company.settings["http"]["listen"]=f"127.0.0.1:{free_port()}"
        c=company.folder/f"c{n}.yaml"; c.write_text(yaml.safe_dump(company.settings))
        log=(company.folder/f"l{turn}{n}").open("wb")
        ps.append(subprocess.Popen([sys.executable,"-m","syncd","run","--config",str(c)],cwd=company.folder,env=clean_environment(),stdout=log,stderr=log,stdin=subprocess.DEVNULL))
    time.sleep(7)
    print([p.poll() for p in ps])
    for p in ps:
        p.terminate()
    for p in ps: p.wait(20)
    with psycopg.connect(url) as c: print(c.execute("select kind,count(*) from chain group by kind").fetchall())
    for n in range(3):
        for l in (company.folder/f"l{turn}{n}").read_text().splitlines():
            if '"level": "info"' not in l or 'ledger.' in l: print(n, l[:300])
