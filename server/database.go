package server

import (
	"context"
	"crypto/rand"
	"embed"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"secc.example/secc/runtime/store"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Times of a database's use. A server that has not renewed its lease for leaseTime is taken for
// dead by the others, and takes itself for it a little sooner.
const (
	queryTime = 5 * time.Second
	leaseTime = 15 * time.Second
	renewTime = leaseTime / 5
)

// The locks of a database, beside those of clients.
const (
	lockMigrations = 0x73656363_0001
	lockAudit      = 0x73656363_0002
)

var errFenced = errors.New("this server's lease in the database has run out")

// database is the state of several servers, in PostgreSQL.
type database struct {
	pool *pgxpool.Pool
	log  *slog.Logger
	self *lease

	mu     sync.Mutex
	leases []*lease
	left   []string // sessions that have ended, which the database has not been told yet

	stop context.CancelFunc
	done chan struct{}
}

// lease is the right to something until a time.
type lease struct {
	resource, holder string

	mu    sync.Mutex
	fence int64
	until time.Time // by this server's clock, from before the database was asked
	err   error     // of the last renewal
}

// openDatabase connects, brings the database's tables up to date and takes a lease for this
// server.
func openDatabase(ctx context.Context, url string, log *slog.Logger) (_ *database, err error) {
	pool, err := connect(ctx, url)
	if err != nil {
		return nil, err
	}
	d := &database{pool: pool, log: log, done: make(chan struct{})}
	if err := d.migrate(ctx); err != nil {
		pool.Close()
		return nil, fmt.Errorf("the database's tables: %w", err)
	}
	if d.self, err = d.lease(ctx, "server/"+rand.Text()); err != nil {
		pool.Close()
		return nil, err
	}
	ctx, d.stop = context.WithCancel(context.Background())
	go d.keep(ctx)
	return d, nil
}

// connect opens a pool that reaches the database.
func connect(ctx context.Context, url string) (*pgxpool.Pool, error) {
	conf, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("the database's address: %w", err) // without its password
	}
	conf.ConnConfig.ConnectTimeout = queryTime
	pool, err := pgxpool.NewWithConfig(ctx, conf)
	if err != nil {
		return nil, fmt.Errorf("the database: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, queryTime)
	defer cancel()
	if err := pool.Ping(ctx); err != nil {
		pool.Close()
		return nil, fmt.Errorf("the database: %w", err)
	}
	return pool, nil
}

// migrate brings the tables up to date. Servers that start at once take turns.
func (d *database) migrate(ctx context.Context) error {
	files, err := migrations.ReadDir("migrations")
	if err != nil {
		return err
	}
	return d.alone(ctx, lockMigrations, func(ctx context.Context, tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "create table if not exists secc_migrations (name text primary key, at timestamptz not null default clock_timestamp())"); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, "select name from secc_migrations order by name")
		if err != nil {
			return err
		}
		there, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return err
		}
		if n := len(there); n > len(files) || n > 0 && there[n-1] != files[n-1].Name() {
			return fmt.Errorf("they were made by a newer secc (%s)", there[n-1])
		}
		for _, f := range files[len(there):] {
			sql, err := migrations.ReadFile("migrations/" + f.Name())
			if err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, string(sql)); err != nil {
				return fmt.Errorf("%s: %w", f.Name(), err)
			}
			if _, err := tx.Exec(ctx, "insert into secc_migrations (name) values ($1)", f.Name()); err != nil {
				return err
			}
		}
		return nil
	})
}

// do runs a transaction within the time that a query may take.
func (d *database) do(ctx context.Context, f func(ctx context.Context, tx pgx.Tx) error) error {
	ctx, cancel := context.WithTimeout(ctx, queryTime)
	defer cancel()
	return pgx.BeginFunc(ctx, d.pool, func(tx pgx.Tx) error { return f(ctx, tx) })
}

// alone runs a transaction beside which none of the same lock runs.
func (d *database) alone(ctx context.Context, lock int64, f func(ctx context.Context, tx pgx.Tx) error) error {
	return d.do(ctx, func(ctx context.Context, tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "select pg_advisory_xact_lock($1)", lock); err != nil {
			return err
		}
		return f(ctx, tx)
	})
}

// ofClient runs a transaction beside which none of the same client runs.
func (d *database) ofClient(client string, f func(ctx context.Context, tx pgx.Tx) error) error {
	return d.do(context.Background(), func(ctx context.Context, tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "select pg_advisory_xact_lock(hashtextextended($1, 0))", "secc client "+client); err != nil {
			return err
		}
		return f(ctx, tx)
	})
}

func (d *database) take(c *Client, window time.Duration, more amount) (refund func() error, wait time.Duration, err error) {
	if !c.limited() {
		return func() error { return nil }, 0, nil
	}
	width := window / 24
	var at time.Time
	err = d.ofClient(c.Name, func(ctx context.Context, tx pgx.Tx) error {
		var now time.Time
		if err := tx.QueryRow(ctx, "select clock_timestamp()").Scan(&now); err != nil {
			return err
		}
		at = now.Truncate(width)
		if _, err := tx.Exec(ctx, "delete from secc_spent where client = $1 and at <= $2", c.Name, now.Add(-window-width)); err != nil {
			return err
		}
		var used amount
		var oldest time.Time
		err := tx.QueryRow(ctx, "select coalesce(sum(sessions), 0)::bigint, coalesce(sum(bytes), 0)::bigint, coalesce(min(at), $2) from secc_spent where client = $1", c.Name, now).
			Scan(&used.inferences, &used.bytes, &oldest)
		if err != nil {
			return err
		}
		if err := c.exceeds(used, more, window); err != nil {
			wait = oldest.Add(window + width).Sub(now)
			return err
		}
		_, err = tx.Exec(ctx, `insert into secc_spent (client, at, sessions, bytes) values ($1, $2, $3, $4)
			on conflict (client, at) do update set sessions = secc_spent.sessions + excluded.sessions, bytes = secc_spent.bytes + excluded.bytes`, c.Name, at, more.inferences, more.bytes)
		return err
	})
	if err != nil {
		return nil, after(err, wait), err
	}
	return func() error {
		return d.do(context.Background(), func(ctx context.Context, tx pgx.Tx) error {
			_, err := tx.Exec(ctx, "update secc_spent set sessions = greatest(0, sessions - $3), bytes = greatest(0, bytes - $4) where client = $1 and at = $2", c.Name, at, more.inferences, more.bytes)
			return err
		})
	}, 0, nil
}

func (d *database) enter(client string, most int, session string) (leave func(), err error) {
	err = d.ofClient(client, func(ctx context.Context, tx pgx.Tx) error {
		var n int
		err := tx.QueryRow(ctx, `select count(*) from secc_running join secc_leases using (resource)
			where client = $1 and until > clock_timestamp()`, client).Scan(&n)
		if err != nil {
			return err
		}
		if n >= most {
			return fmt.Errorf("%w: %d of %d", errAtOnce, n, most)
		}
		_, err = tx.Exec(ctx, "insert into secc_running (session, client, resource) values ($1, $2, $3)", session, client, d.self.resource)
		return err
	})
	if errors.Is(err, errAtOnce) {
		return nil, err
	}
	gone := func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.left = append(d.left, session)
	}
	if err != nil {
		gone() // it may have been counted all the same
		return nil, err
	}
	leave = sync.OnceFunc(func() {
		gone()
		d.tidy(context.Background())
	})
	return leave, nil
}

// tidy tells the database which sessions have ended. What it cannot be told now is told later.
func (d *database) tidy(ctx context.Context) {
	d.mu.Lock()
	left := d.left
	d.left = nil
	d.mu.Unlock()
	if len(left) == 0 {
		return
	}
	err := d.do(ctx, func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "delete from secc_running where session = any($1)", left)
		return err
	})
	if err != nil {
		d.mu.Lock()
		d.left = append(d.left, left...)
		d.mu.Unlock()
	}
}

func (d *database) write(r AuditRecord) error {
	return d.alone(context.Background(), lockAudit, func(ctx context.Context, tx pgx.Tx) error {
		var number int64
		var last string
		err := tx.QueryRow(ctx, "select number, line from secc_audit order by number desc limit 1").Scan(&number, &last)
		before := noRecord
		switch {
		case errors.Is(err, pgx.ErrNoRows):
		case err != nil:
			return err
		default:
			before = hashOfLine([]byte(last))
		}
		line, err := r.follow(number+1, before)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, "insert into secc_audit (number, line) values ($1, $2)", number+1, string(line))
		return err
	})
}

func (d *database) keepReceipt(session, client, body string) error {
	return d.do(context.Background(), func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "insert into secc_receipts (session, client, body) values ($1, $2, $3)", session, client, body)
		return err
	})
}

func (d *database) receipt(session, client string) (body string, err error) {
	err = d.do(context.Background(), func(ctx context.Context, tx pgx.Tx) error {
		err := tx.QueryRow(ctx, "select body from secc_receipts where session = $1 and client = $2", session, client).Scan(&body)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		return err
	})
	return body, err
}

func (d *database) signReceipt(session, client, before, after string) (changed bool, err error) {
	err = d.do(context.Background(), func(ctx context.Context, tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, "update secc_receipts set body = $4 where session = $1 and client = $2 and body = $3", session, client, before, after)
		changed = tag.RowsAffected() == 1
		return err
	})
	return changed, err
}

// ReadAudit reads the audit of a database, line by line.
func ReadAudit(ctx context.Context, url string) (io.ReadCloser, error) {
	pool, err := connect(ctx, url)
	if err != nil {
		return nil, err
	}
	rows, err := pool.Query(ctx, "select line from secc_audit order by number")
	if err != nil {
		pool.Close()
		return nil, err
	}
	r, w := io.Pipe()
	go func() {
		defer pool.Close()
		var line string
		_, err := pgx.ForEachRow(rows, []any{&line}, func() error {
			_, err := io.WriteString(w, line+"\n")
			return err
		})
		w.CloseWithError(err)
	}()
	return r, nil
}

// lease takes a resource, which nobody else may hold.
func (d *database) lease(ctx context.Context, resource string) (*lease, error) {
	host, _ := os.Hostname() // for people
	l := &lease{resource: resource, holder: fmt.Sprintf("%s, process %d", host, os.Getpid())}
	if err := d.acquire(ctx, l); err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.leases = append(d.leases, l)
	return l, nil
}

// acquire takes a lease that nobody holds.
func (d *database) acquire(ctx context.Context, l *lease) error {
	asked := time.Now()
	var fence int64
	err := d.do(ctx, func(ctx context.Context, tx pgx.Tx) error {
		err := tx.QueryRow(ctx, `insert into secc_leases (resource, holder, fence, until) values ($1, $2, nextval('secc_fences'), clock_timestamp() + $3)
			on conflict (resource) do update set holder = excluded.holder, fence = excluded.fence, until = excluded.until
			where secc_leases.until <= clock_timestamp() returning fence`, l.resource, l.holder, leaseTime).Scan(&fence)
		if !errors.Is(err, pgx.ErrNoRows) {
			return err
		}
		var holder string
		if err := tx.QueryRow(ctx, "select holder from secc_leases where resource = $1", l.resource).Scan(&holder); err != nil {
			return err
		}
		return fmt.Errorf("%s is another server's (%s)", l.resource, holder)
	})
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err = err; err == nil {
		l.fence, l.until = fence, asked.Add(leaseTime)
	}
	return err
}

// renew keeps a lease, or takes it anew if it has run out and nobody took it.
func (d *database) renew(ctx context.Context, l *lease) error {
	l.mu.Lock()
	fence := l.fence
	l.mu.Unlock()
	asked := time.Now()
	kept := false
	err := d.do(ctx, func(ctx context.Context, tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `update secc_leases set until = clock_timestamp() + $3
			where resource = $1 and fence = $2 and until > clock_timestamp()`, l.resource, fence, leaseTime)
		kept = err == nil && tag.RowsAffected() == 1
		return err
	})
	if err == nil && !kept {
		return d.acquire(ctx, l)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err = err; err == nil {
		l.until = asked.Add(leaseTime)
	}
	return err
}

// held tells why a lease does not hold, if it does not.
func (l *lease) held() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case time.Now().Before(l.until):
		return nil
	case l.err != nil:
		return fmt.Errorf("%w: %w", errFenced, l.err)
	}
	return errFenced
}

// keep renews leases and tidies up until the context ends.
func (d *database) keep(ctx context.Context) {
	defer close(d.done)
	t := time.NewTicker(renewTime)
	defer t.Stop()
	lost := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		d.mu.Lock()
		leases := append([]*lease(nil), d.leases...)
		d.mu.Unlock()
		var err error
		for _, l := range leases {
			err = errors.Join(err, d.renew(ctx, l))
		}
		switch {
		case ctx.Err() != nil:
		case err != nil && !lost:
			d.log.Error("the database cannot be reached, or has given a lease of this server's to another: without it no session begins", "err", err)
		case err == nil && lost:
			d.log.Info("the database is there again")
		}
		lost = err != nil
		d.tidy(ctx)
		d.bury(ctx)
	}
}

// bury removes what servers have left that died.
func (d *database) bury(ctx context.Context) {
	_ = d.do(ctx, func(ctx context.Context, tx pgx.Tx) error { // or at the next turn
		_, err := tx.Exec(ctx, `with dead as (delete from secc_leases where resource like 'server/%' and until < clock_timestamp() - interval '1 hour' returning resource)
			delete from secc_running where resource in (select resource from dead)`)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, "delete from secc_receipts where at < clock_timestamp() - $1::interval", receiptTime)
		return err
	})
}

func (d *database) ready() error { return d.self.held() }

// Close gives leases back.
func (d *database) Close() error {
	d.stop()
	<-d.done
	d.tidy(context.Background())
	err := d.do(context.Background(), func(ctx context.Context, tx pgx.Tx) error {
		for _, l := range d.leases {
			if _, err := tx.Exec(ctx, "update secc_leases set until = 'epoch' where resource = $1 and fence = $2", l.resource, l.fence); err != nil {
				return err
			}
		}
		return nil
	})
	d.pool.Close()
	return err
}

// witness lets a run of a store be taken once, by whoever holds the store's lease.
type witness struct {
	d *database
	l *lease
}

// Witness is what a store of prepared runs asks that lies in a folder which several servers can
// reach, or a copy of it: under one name, one server at a time has it, and no run is taken twice.
func (d *database) Witness(ctx context.Context, name string) (store.Witness, error) {
	l, err := d.lease(ctx, "store/"+name)
	if err != nil {
		return nil, err
	}
	return &witness{d, l}, nil
}

func (w *witness) Reserve(ctx context.Context, n store.Name) error {
	w.l.mu.Lock()
	fence := w.l.fence
	w.l.mu.Unlock()
	return w.d.do(ctx, func(ctx context.Context, tx pgx.Tx) error {
		err := tx.QueryRow(ctx, "select fence from secc_leases where resource = $1 and fence = $2 and until > clock_timestamp() for share", w.l.resource, fence).Scan(&fence)
		if errors.Is(err, pgx.ErrNoRows) {
			return errFenced
		}
		if err != nil {
			return err
		}
		tag, err := tx.Exec(ctx, "insert into secc_burned (session, number, fence) values ($1, $2, $3) on conflict do nothing", n.Session[:], int64(n.Number), fence)
		if err == nil && tag.RowsAffected() == 0 {
			return fmt.Errorf("%w: %v was taken by another server", store.ErrNone, n)
		}
		return err
	})
}
